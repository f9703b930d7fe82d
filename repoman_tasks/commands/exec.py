"""`exec`: run a program in a project's container."""

from __future__ import annotations

from repoman_tasks.actions.container_entry import enter
from repoman_tasks.actions.facts import containers, person, reconcile, repo_identities
from repoman_tasks.actions.project_container import resolve_project
from repoman_tasks.cli.task import task
from repoman_tasks.errors import UsageError, quoted
from repoman_tasks.session import Session
from repoman_tasks.wizards.project_choice import ask_exec


@task(
    wizard=ask_exec,
    name="exec",
    pre=[reconcile, containers, person, repo_identities],
    positional=["name"],
    needs_argv=True,
    help={"name": "Name of the project (default: the one whose repo you are in)."},
    examples={
        "repoman exec isurus -- make test": "Run a program",
        "repoman exec -- git status": "Run one for the repo that you are in",
        "repoman exec isurus -- sh -c 'make test | tail'": "Use a shell for pipes and variables",
    },
    exit_codes={
        "6": "refused: the container is stopped and its repo is missing",
        "125": "the container could not be entered",
        "other": "exit code of the program; 128 plus the number of a signal",
    },
)
def exec_(session: Session, name: str | None = None) -> int:
    """Run a program in a project's container.

    Its arguments are passed as they are, without a shell. You are the same user in the same folder
    as outside. A container that is stopped is started.
    """
    if not session.argv:
        project, _ = resolve_project(session.of(reconcile), name, session.host.folder, "exec")
        cure = f"`repoman exec {quoted(project.name)} -- PROGRAM`"
        raise UsageError("exec needs a program to run", cure)
    return enter(session, name, "exec", session.argv, login=False)

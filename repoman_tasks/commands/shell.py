"""`shell`: the local user's login shell in a project's container."""

from __future__ import annotations

from repoman_tasks.actions.container_entry import enter
from repoman_tasks.actions.facts import containers, person, reconcile, repo_identities
from repoman_tasks.cli.task import task
from repoman_tasks.session import Session
from repoman_tasks.wizards.project_choice import ask_project


@task(
    wizard=ask_project,
    pre=[reconcile, containers, person, repo_identities],
    positional=["name"],
    takes_argv=True,
    help={
        "name": "Name of the project (default: the one whose repo you are in).",
        "forward_agent": "Make your SSH agent available in the container until the shell exits.",
    },
    examples={
        "repoman shell isurus": "Open a shell",
        "repoman shell isurus --forward-agent": "Open a shell in which git can use your SSH keys",
        "repoman shell isurus -- make test": "Run a program in the environment of a login shell",
    },
    exit_codes={
        "6": "refused: the container is stopped and its repo is missing",
        "125": "the container could not be entered",
        "other": "exit code of the shell or program; 128 plus the number of a signal",
    },
)
def shell(session: Session, name: str | None = None, forward_agent: bool = False) -> int:
    """Open a login shell in a project's container, or run a program through one.

    You are the same user in the same folder as outside. A container that is stopped is started.
    """
    return enter(session, name, "shell", session.argv, login=True, forward_agent=forward_agent)

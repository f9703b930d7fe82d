"""`exec`: run a program in a project's container."""

from __future__ import annotations

from repoman_tasks.actions.container_entry import enter
from repoman_tasks.actions.facts import containers, person, reconcile
from repoman_tasks.actions.project_container import resolve_project
from repoman_tasks.cli.task import task
from repoman_tasks.errors import UsageError
from repoman_tasks.session import Session
from repoman_tasks.wizards.project_choice import ask_exec


@task(
    wizard=ask_exec,
    name="exec",
    pre=[reconcile, containers],
    asks=[person],
    positional=["name"],
    takes_argv=True,
    help={"name": "Name of the project; by default that whose repo you stand in."},
)
def exec_(session: Session, name: str | None = None) -> int:
    """Run the words after -- in a project's container, exactly as they are."""
    if not session.argv:
        project, _ = resolve_project(session, name, "exec")
        raise UsageError("exec needs a program to run", f"`repoman exec {project.name} -- PROGRAM`")
    return enter(session, name, "exec", session.argv, login=False)

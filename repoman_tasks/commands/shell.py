"""`shell`: the local user's login shell in a project's container."""

from __future__ import annotations

from repoman_tasks.actions.container_entry import enter
from repoman_tasks.actions.facts import containers, person, reconcile
from repoman_tasks.cli.task import task
from repoman_tasks.session import Session
from repoman_tasks.wizards.project_choice import ask_project


@task(
    wizard=ask_project,
    pre=[reconcile, containers],
    asks=[person],
    positional=["name"],
    takes_argv=True,
    help={
        "name": "Name of the project; by default that whose repo you stand in.",
        "forward_agent": "Lend it your SSH agent until the shell ends.",
    },
)
def shell(session: Session, name: str | None = None, forward_agent: bool = False) -> int:
    """Open a login shell in a project's container; or run the words after -- through one."""
    return enter(session, name, "shell", session.argv, login=True, forward_agent=forward_agent)

"""`shell`: the local user's login shell in a project's container."""

from __future__ import annotations

from repoman_tasks.checks import containers, reconcile
from repoman_tasks.cli.task import task
from repoman_tasks.entering import enter
from repoman_tasks.session import Session


@task(
    pre=[reconcile, containers],
    positional=["name"],
    takes_words=True,
    help={"name": "Name of the project; by default that whose repo you stand in."},
)
def shell(session: Session, name: str | None = None) -> int:
    """Open a login shell in a project's container; or run the words after -- through one."""
    return enter(session, name, "shell", session.words, login=True)

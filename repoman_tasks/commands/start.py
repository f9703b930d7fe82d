"""`start`: start a project's container."""

from __future__ import annotations

from repoman_tasks.actions.facts import containers, reconcile
from repoman_tasks.actions.power import change_state
from repoman_tasks.cli.task import task
from repoman_tasks.session import Session
from repoman_tasks.wizards.project_choice import ask_project


@task(
    wizard=ask_project,
    pre=[reconcile, containers],
    positional=["name"],
    help={
        "name": "Name of the project; by default that whose repo you stand in.",
        "dry_run": "Show what would change.",
    },
)
def start(session: Session, name: str | None = None, dry_run: bool = False) -> None:
    """Start a project's container."""
    change_state(session, name, "start", dry_run=dry_run)

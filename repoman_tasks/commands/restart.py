"""`restart`: restart a project's container."""

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
        "force": "End it at once, instead of asking it to end.",
        "dry_run": "Show what would change.",
    },
)
def restart(
    session: Session, name: str | None = None, force: bool = False, dry_run: bool = False
) -> None:
    """Stop a project's container and start it again."""
    change_state(session, name, "restart", force=force, dry_run=dry_run)

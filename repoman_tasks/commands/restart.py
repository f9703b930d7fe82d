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
        "name": "Name of the project (default: the one whose repo you are in).",
        "force": "Stop it at once, without asking it to shut down.",
        "dry_run": "Show what would change, and change nothing.",
    },
    examples={
        "repoman restart isurus": "Restart a container",
        "repoman restart isurus --force": "Restart one that does not shut down",
    },
    exit_codes={
        "6": "refused, because its repo is missing or a symlink",
    },
)
def restart(
    session: Session, name: str | None = None, force: bool = False, dry_run: bool = False
) -> None:
    """Restart a project's container; one that is stopped is started."""
    change_state(session, name, "restart", force=force, dry_run=dry_run)

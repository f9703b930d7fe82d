"""`restart`: restart a project's container."""

from __future__ import annotations

from repoman_tasks.actions.facts import containers, reconcile
from repoman_tasks.actions.power import change_states
from repoman_tasks.cli.task import task
from repoman_tasks.session import Session
from repoman_tasks.wizards.project_choice import ask_projects


@task(
    wizard=ask_projects,
    pre=[reconcile, containers],
    positional=["name"],
    help={
        "name": "Names of projects (default: the one whose repo you are in).",
        "all": "Restart all that run.",
        "force": "Stop it at once, without asking it to shut down.",
        "dry_run": "Show what would change, and change nothing.",
    },
    examples={
        "repoman restart isurus": "Restart a container",
        "repoman restart isurus --force": "Restart one that does not shut down",
    },
    exit_codes={
        "4": "another command takes a snapshot of the project",
        "6": "refused, because its repo is missing or a symlink",
    },
)
def restart(
    session: Session,
    name: list[str],
    *,
    all: bool = False,
    force: bool = False,
    dry_run: bool = False,
) -> None:
    """Restart the containers of projects; those that are stopped are started."""
    change_states(session, name, "restart", every=all, force=force, dry_run=dry_run)

"""`stop`: stop a project's container."""

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
        "all": "Stop all that run.",
        "force": "Stop it at once, without asking it to shut down.",
        "dry_run": "Show what would change, and change nothing.",
    },
    examples={
        "repoman stop isurus lamna": "Shut two containers down",
        "repoman stop isurus --force": "Stop one that does not shut down",
    },
    exit_codes={
        "4": "another command takes a snapshot of the project",
    },
)
def stop(
    session: Session,
    name: list[str],
    *,
    all: bool = False,
    force: bool = False,
    dry_run: bool = False,
) -> None:
    """Stop the containers of projects; their disks are kept."""
    change_states(session, name, "stop", every=all, force=force, dry_run=dry_run)

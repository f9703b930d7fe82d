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
        "name": "Name of the project (default: the one whose repo you are in).",
        "dry_run": "Show what would change, and change nothing.",
    },
    examples={
        "repoman start isurus": "Start a container",
        "repoman start": "Start that of the repo that you are in",
        "repoman start isurus --host nas": "Start one on another host",
    },
    exit_codes={
        "6": "refused, because its repo is missing or a symlink",
    },
)
def start(session: Session, name: str | None = None, dry_run: bool = False) -> None:
    """Start a project's container."""
    change_state(session, name, "start", dry_run=dry_run)

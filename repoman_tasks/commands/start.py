"""`start`: start a project's container."""

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
        "all": "Start all containers.",
        "dry_run": "Show what would change, and change nothing.",
    },
    examples={
        "repoman start isurus": "Start a container",
        "repoman start": "Start that of the repo that you are in",
        "repoman start --all": "Start all, as after a reboot",
        "repoman start isurus --host nas": "Start one on another host",
    },
    exit_codes={
        "4": "another command takes a snapshot of the project",
        "6": "refused, because its repo is missing or a symlink",
    },
)
def start(session: Session, name: list[str], *, all: bool = False, dry_run: bool = False) -> None:
    """Start the containers of projects."""
    change_states(session, name, "start", every=all, dry_run=dry_run)

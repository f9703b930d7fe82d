"""Starting and stopping containers: what `start`, `stop` and `restart` share."""

from __future__ import annotations

from repoman_tasks.actions.apply import Plan, carry_out
from repoman_tasks.actions.container_plans import step_runner
from repoman_tasks.actions.facts import require_containers
from repoman_tasks.actions.project_container import (
    check_startable,
    existing_container,
    print_drift,
    resolve_project,
)
from repoman_tasks.planning.steps import ChangeState
from repoman_tasks.session import Session

__all__ = ["change_state"]

_DOWN = ("stopped", "error")


def change_state(
    session: Session, name: str | None, action: str, *, force: bool = False, dry_run: bool = False
) -> None:
    """Start, stop or restart the container of the project that is meant."""
    project, _ = resolve_project(session, name, action)
    container = require_containers(session).by_name.get(project.name)
    if container is None or not (force and container.status == "error"):
        container = existing_container(session, project)
    if action != "stop":
        check_startable(session, project)
    done = container.running if action == "start" else container.status == "stopped"
    if action == "restart" and container.status in _DOWN:
        action, done = "start", False
    if container.status == "frozen" and action == "start":
        action = "unfreeze"
    if done:
        state = "running" if action == "start" else "stopped"
        session.screen.line(f"{project.name} is already {state}")
    else:
        plan = Plan([ChangeState(project.name, action, force=force)], runner=step_runner(session))
        carry_out(session, plan, dry_run=dry_run, confirmed=True)
    if action != "stop":
        print_drift(session, project)

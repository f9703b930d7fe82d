"""Starts and stops containers, for `start`, `stop` and `restart`."""

from __future__ import annotations

from repoman_tasks.actions.apply import Plan, apply_plan
from repoman_tasks.actions.container_plans import step_runner
from repoman_tasks.actions.facts import containers, reconcile, require_containers
from repoman_tasks.actions.project_container import (
    check_startable,
    print_drift,
    require_container,
    resolve_project,
)
from repoman_tasks.planning.steps import ChangeState
from repoman_tasks.session import Session

__all__ = ["change_state"]

_STOPPED = ("stopped", "error")


def change_state(
    session: Session, name: str | None, action: str, *, force: bool = False, dry_run: bool = False
) -> None:
    """Start, stop or restart the container of the project called `name`, or of the current one."""
    facts, screen = session.of(reconcile), session.screen
    project, _ = resolve_project(facts, name, session.host.folder, action)
    container = require_containers(session).by_name.get(project.name)
    if container is None or not (force and container.status == "error"):
        container = require_container(facts, session.of(containers), project)
    if action != "stop":
        check_startable(facts, project)
    done = container.running if action == "start" else container.status == "stopped"
    if action == "restart" and container.status in _STOPPED:
        action, done = "start", False
    if container.status == "frozen" and action == "start":
        action = "unfreeze"
    if done:
        state = "running" if action == "start" else "stopped"
        screen.line(f"{project.name} is already {state}")
    else:
        plan = Plan([ChangeState(project.name, action, force=force)], runner=step_runner(session))
        apply_plan(session, plan, dry_run=dry_run, confirmed=True)
    if action != "stop":
        print_drift(screen, facts, session.of(containers), project)

"""Starting and stopping containers: what `start`, `stop` and `restart` share."""

from __future__ import annotations

from repoman_tasks.actions.apply import Plan, carry_out
from repoman_tasks.actions.container_plans import work_of
from repoman_tasks.actions.facts import asked
from repoman_tasks.actions.project_container import (
    check_startable,
    container_of,
    project_meant,
    remark,
)
from repoman_tasks.planning.steps import ChangeState
from repoman_tasks.session import Session

__all__ = ["change_state"]

_DOWN = ("stopped", "error")


def change_state(
    session: Session, name: str | None, action: str, *, force: bool = False, dry_run: bool = False
) -> None:
    """Start, stop or restart the container of the project that is meant."""
    project, _ = project_meant(session, name, action)
    container = asked(session).found.get(project.name)
    if container is None or not (force and container.status == "error"):
        container = container_of(session, project)
    if action != "stop":
        check_startable(session, project)
    done = container.running if action == "start" else container.status == "stopped"
    if action == "restart" and container.status in _DOWN:
        action, done = "start", False
    if container.status == "frozen" and action == "start":
        action = "unfreeze"
    steps = [] if done else [ChangeState(project.name, action, force=force)]
    work = work_of(session)
    carry_out(session, Plan(steps, work=work), dry_run=dry_run, confirmed=True)
    if action != "stop":
        remark(session, project)

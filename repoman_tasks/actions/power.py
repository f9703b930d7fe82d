"""Starts and stops containers, for `start`, `stop` and `restart`."""

from __future__ import annotations

from collections.abc import Sequence

from repoman_tasks.actions.apply import Plan, apply_plan
from repoman_tasks.actions.container_plans import step_runner
from repoman_tasks.actions.facts import containers, reconcile, require_containers
from repoman_tasks.actions.project_container import (
    check_startable,
    print_drift,
    require_container,
    settled,
)
from repoman_tasks.actions.several_projects import (
    check_all_or_named,
    flags_of,
    for_each,
    named_containers,
)
from repoman_tasks.model import Project
from repoman_tasks.planning.container.spec import Container
from repoman_tasks.planning.mirror.sync_plan import find_project
from repoman_tasks.planning.steps import ChangeState
from repoman_tasks.session import Session

__all__ = ["change_states"]

_STOPPED = ("stopped", "error")


def change_states(
    session: Session,
    names: Sequence[str],
    action: str,
    *,
    every: bool = False,
    force: bool = False,
    dry_run: bool = False,
) -> None:
    """Start, stop or restart the containers of the projects called `names`, or all if `every`.

    Without a name it is that of the current project. If one fails, the others are done, and Failed
    is raised at the end.
    """
    check_all_or_named(names, every=every)
    chosen = _all(session, action) if every else named_containers(session, names, action)

    session.of(containers)  # known to all threads

    def change(session: Session, name: str) -> None:
        project = find_project(session.of(reconcile).registry, name)
        _change_state(session, project, action, force, dry_run)

    failure = f"containers did not {action}"
    for_each(session, chosen, change, failure, action, flags_of(force=force))


def _all(session: Session, action: str) -> list[str]:
    """Return the names of all projects, if `action` is not to start only of those that run."""
    found = require_containers(session).by_name
    running = {name for name, container in found.items() if container.status not in _STOPPED}
    return [
        project.name
        for project in session.of(reconcile).registry.projects
        if project.container and (action == "start" or project.name in running)
    ]


def _change_state(
    session: Session, project: Project, action: str, force: bool, dry_run: bool
) -> None:
    facts, screen = session.of(reconcile), session.screen
    container = require_containers(session).by_name.get(project.name)
    if container is None or not (force and container.status == "error"):
        container = require_container(facts, session.of(containers), project)
    if action != "stop":
        check_startable(facts, project)
    if force or dry_run:  # what is ended by force changes nothing under a snapshot
        _reach(session, container, action, force=force, dry_run=dry_run)
    else:
        with settled(session, container) as container:
            _reach(session, container, action)
    if action != "stop":
        print_drift(screen, facts, session.of(containers), project)


def _reach(
    session: Session,
    container: Container,
    action: str,
    *,
    force: bool = False,
    dry_run: bool = False,
) -> None:
    """Start, stop or restart a container, or print that it is so already."""
    name, status = container.name, container.status
    done = container.running if action == "start" else status == "stopped"
    if action == "restart" and status in _STOPPED:
        action, done = "start", False
    if status == "frozen" and action == "start":
        action = "unfreeze"
    if done:
        state = "running" if action == "start" else "stopped"
        session.screen.line(f"{name} is already {state}")
        return
    plan = Plan([ChangeState(name, action, force=force)], runner=step_runner(session))
    apply_plan(session, plan, dry_run=dry_run, confirmed=True)

"""The project of a command, its container, and checks before a plan."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from repoman_tasks.actions.facts import incus
from repoman_tasks.actions.held_locks import hold_lock
from repoman_tasks.errors import Busy, Failed, Refused, UsageError, quoted
from repoman_tasks.hosts.base import Locked
from repoman_tasks.model import Project
from repoman_tasks.planning.container.drift import Containers, project_drift
from repoman_tasks.planning.container.host_mounts import host_mount_findings
from repoman_tasks.planning.container.spec import Container, Spec, container_spec
from repoman_tasks.planning.current_project import named_or_current
from repoman_tasks.planning.fence.ownership import check_project_owner
from repoman_tasks.planning.fence.project_steps import check_own_project
from repoman_tasks.planning.findings import HUNG, UNHANG, EstateFacts, check_renamed
from repoman_tasks.session import Session
from repoman_tasks.terminal.screen import Screen
from repoman_tasks.tools.incus import Incus, project_path

__all__ = [
    "check_incus_project",
    "check_single",
    "check_startable",
    "lock_container",
    "print_drift",
    "repo_path",
    "require_container",
    "resolve_project",
    "settled",
    "spec_of",
]

_SNAPSHOT_SECONDS = 60.0
"""Time to wait for a snapshot, during which the container is frozen."""


def resolve_project(
    facts: EstateFacts, name: str | None, folder: str, command: str
) -> tuple[Project, str]:
    """Return the project called `name`, or that of `folder`, and the folder to enter.

    Raise UsageError if it has no container.
    """
    project, entered = named_or_current(facts.registry, facts.local_repos, name, folder, command)
    check_renamed(project)
    if not project.container:
        raise UsageError(
            f"{project.name} has no container, it is registered for backup only",
            f"to adopt one, run `repoman adopt {quoted(project.name)}`",
        )
    return project, entered


def require_container(facts: EstateFacts, containers: Containers, project: Project) -> Container:
    """Return the project's container; raise Failed if it is missing or unfinished."""
    if containers.problem:
        raise Failed(*containers.problem)
    container = containers.by_name.get(project.name)
    check_single(facts, containers, project)
    if container is None or container.half_made:
        problem = project_drift(facts, project, containers)[0]
        raise Failed(f"{project.name}: {problem.what}", problem.cure)
    return container


def check_single(facts: EstateFacts, containers: Containers, project: Project) -> None:
    """Raise Failed if two containers have the name of the project, so that either may be meant."""
    if project.name in containers.doubled:
        problem = project_drift(facts, project, containers)[0]
        raise Failed(f"{project.name}: {problem.what}", problem.cure)


def check_startable(facts: EstateFacts, project: Project) -> None:
    """Raise Refused if the project's repo can't be mounted."""
    repo = facts.repos[project.name]
    if repo.problem:
        cure = f"bring it back, or run `repoman remove {quoted(project.name)}`"
        raise Refused(
            f"{project.name} can't be started, its repo {repo.path} {repo.phrase}",
            UNHANG if repo.problem == HUNG else cure,
        )


def print_drift(
    screen: Screen, facts: EstateFacts, containers: Containers, project: Project
) -> None:
    """Print a line for each difference of the container from its spec, and from the host."""
    for finding in project_drift(facts, project, containers):
        screen.note(f"{finding.subject}: {finding.what}: {finding.cure}")
    for finding in host_mount_findings(facts, project):
        screen.note(f"{finding.subject}: {finding.what}: {finding.cure}")


def repo_path(facts: EstateFacts, project: Project) -> str:
    """Return the absolute path of the project's repo."""
    return f"{facts.local_repos}/{project.repo}"


def spec_of(facts: EstateFacts, project: Project) -> Spec:
    """Return the spec of the container of `project`."""
    return container_spec(project, facts.registry, facts.local_repos, facts.home)


def check_incus_project(incus: Incus) -> None:
    """Raise UsageError if the Incus project is missing, Incus's own or another person's."""
    check_own_project(incus.project)
    project = incus.get(project_path(incus.project))
    if project is None:
        raise UsageError(f"the Incus project {incus.project} does not exist", "run `repoman setup`")
    check_project_owner(incus.project, project.get("config") or {}, incus.host.uid)
    if incus.host.uid == 0:
        raise UsageError(
            "containers are for an ordinary user, not for root", "run repoman as yourself"
        )


def lock_container(session: Session, name: str) -> None:
    """Hold the lock of the container called `name` until the session ends.

    Raise Busy if another process holds it.
    """
    path = session.store.lock_path(f"{name}.container")
    hold_lock(session, path, f"another command is working on {name}")


@contextmanager
def settled(session: Session, container: Container) -> Iterator[Container]:
    """Keep a container that is frozen from other commands; give its present state.

    A snapshot that another command takes freezes it: nothing may run in it before that is complete.
    Raise Busy if it is not in time.
    """
    if container.status != "frozen":
        yield container
        return
    path = session.store.lock_path(f"{container.name}.container")
    with ExitStack() as held:
        try:
            held.enter_context(session.host.lock(path))
        except Locked as error:
            what = f"another command is working on {container.name}, {error}"
            session.screen.note(f"waiting: {what}")
            wait = session.host.lock(path, wait_seconds=_SNAPSHOT_SECONDS, stoppable=True)
            try:
                held.enter_context(wait)
            except Locked:
                raise Busy(what, "let it finish") from None
        yield session.of(incus).container(container.name) or container

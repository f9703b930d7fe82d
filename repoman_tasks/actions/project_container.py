"""What commands need to know of a project's container before they plan: shared by several."""

from __future__ import annotations

from repoman_tasks.actions.facts import containers, incus, reconcile
from repoman_tasks.errors import Busy, Failed, Refused, UsageError
from repoman_tasks.hosts.base import Locked
from repoman_tasks.model import Project
from repoman_tasks.planning.container.drift import project_drift
from repoman_tasks.planning.container.spec import Container, Spec, container_spec
from repoman_tasks.planning.current_project import named_or_current
from repoman_tasks.session import Session

__all__ = [
    "check_incus_project",
    "check_startable",
    "existing_container",
    "lock_container",
    "print_drift",
    "repo_of",
    "resolve_project",
    "spec_of",
]


def resolve_project(session: Session, name: str | None, command: str) -> tuple[Project, str]:
    """The project that is named, or whose repo the person stands in; and the folder to go to."""
    facts = session.of(reconcile)
    folder = session.host.folder
    project, where = named_or_current(facts.registry, facts.local_repos, name, folder, command)
    if not project.container:
        raise UsageError(
            f"{project.name} has no container, it is registered for backup only",
            f"`repoman adopt {project.name}` takes one in",
        )
    return project, where


def existing_container(session: Session, project: Project) -> Container:
    """The project's container, whole; `Failed` with the cure where there is none."""
    found = session.of(containers)
    if found.problem:
        raise Failed(*found.problem)
    container = found.by_name.get(project.name)
    if container is None or container.half_made:
        problem = project_drift(session.of(reconcile), project, found)[0]
        raise Failed(f"{project.name}: {problem.what}", problem.cure)
    return container


def check_startable(session: Session, project: Project) -> None:
    """`Refused` where the project's repo is not there to be mounted."""
    repo = session.of(reconcile).repos[project.name]
    if repo.problem:
        raise Refused(
            f"{project.name} can't be started, its repo {repo.path} {repo.phrase}",
            f"bring it back, or `repoman remove {project.name}`",
        )


def print_drift(session: Session, project: Project) -> None:
    """Say in a line where the project's container has drifted."""
    for finding in project_drift(session.of(reconcile), project, session.of(containers)):
        session.screen.note(f"{finding.subject}: {finding.what}: {finding.cure}")


def repo_of(session: Session, project: Project) -> str:
    """The path of the project's repo."""
    return f"{session.of(reconcile).local_repos}/{project.repo}"


def spec_of(session: Session, project: Project) -> Spec:
    """What the container of `project` is declared to be."""
    facts = session.of(reconcile)
    return container_spec(project, facts.registry, facts.local_repos, facts.home)


def check_incus_project(session: Session) -> None:
    """`UsageError` where the Incus project does not exist, so that nothing fences a container."""
    found = session.of(incus)
    if found.get(found.project_path) is None:
        raise UsageError(
            f"the Incus project {found.project} does not exist", "`repoman setup` creates it"
        )
    if session.host.uid == 0:
        raise UsageError(
            "containers are for an ordinary user, not for root", "run repoman as yourself"
        )


def lock_container(session: Session, name: str) -> None:
    """Hold the lock of the container called `name` until the session ends; `Busy` where it is
    taken."""
    lock = session.host.lock(session.store.lock_path(f"{name}.container"))
    try:
        session.stack.enter_context(lock)
    except Locked as error:
        raise Busy(f"{name} is being worked on, {error}", "let that finish") from None

"""The shared pre-tasks: they look, and change nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from repoman_tasks.cli.task import task
from repoman_tasks.errors import Failed, RepomanError, TargetUnusable
from repoman_tasks.hosts.base import Future, Host
from repoman_tasks.model import Person, Project, Registry
from repoman_tasks.planning.container.drift import Containers, unknown_containers
from repoman_tasks.planning.findings import EstateFacts, repo_state
from repoman_tasks.planning.names import absolute
from repoman_tasks.planning.trust.approval_rules import (
    Approval,
    ForbiddenPaths,
    Request,
    covers,
    has_privileged_requests,
)
from repoman_tasks.session import Session
from repoman_tasks.tools.file_tree import submit_folder_names
from repoman_tasks.tools.incus import Incus
from repoman_tasks.tools.person import submit_person

if TYPE_CHECKING:  # what not every command needs is imported when it does
    from repoman_tasks.planning.fence.fence_facts import FenceFacts
    from repoman_tasks.tools.share import Share

__all__ = [
    "addresses",
    "backup_share",
    "containers",
    "fence_facts",
    "folders",
    "forbidden_paths",
    "incus",
    "person",
    "reconcile",
    "require_containers",
    "require_share",
    "stored_registry",
]


@task()
def stored_registry(session: Session) -> Future[Registry]:
    """Read the registry as it is stored."""
    registry = session.store.load()
    return Future(lambda: registry)


@task()
def reconcile(session: Session) -> Future[EstateFacts]:
    """Hold the registry against what there is."""
    host, registry = session.host, session.of(stored_registry)
    configured = _local_repos(session)
    paths = [configured, *(f"{configured}/{project.repo}" for project in registry.projects)]
    found = host.submit_folders(paths)
    revoked = _submit_revoked(host, registry, configured)

    def held_against(folders: list[str | None]) -> EstateFacts:
        base, *real = folders
        if base in (None, configured):  # else the configured path leads elsewhere
            return _estate_facts(host, registry, configured, real, revoked)
        again = _submit_revoked(host, registry, base)
        return _estate_facts(host, registry, base, real, again)

    return found.then(held_against)


def _local_repos(session: Session) -> str:
    """Return the path of local_repos as it is configured; it may lead to another one."""
    return absolute(session.of(stored_registry).defaults.local_repos, session.host.home)


def _estate_facts(
    host: Host,
    registry: Registry,
    local_repos: str,
    folders: Sequence[str | None],
    asked: Mapping[str, Future[str]],
) -> EstateFacts:
    repos = {
        project.name: repo_state(f"{local_repos}/{project.repo}", real, local_repos)
        for project, real in zip(registry.projects, folders, strict=True)
    }
    revoked = {name: why for name, future in asked.items() if (why := future.result())}
    projects = (_bare(p) if p.name in revoked else p for p in registry.projects)
    valid = replace(registry, projects=tuple(projects))
    return EstateFacts(valid, local_repos, repos, host.home, revoked, registry)


def _submit_revoked(host: Host, registry: Registry, local_repos: str) -> dict[str, Future[str]]:
    """Ask of each project that was given more than any repo may request why its approval does not
    hold now; empty if it does."""
    projects = [p for p in registry.projects if has_privileged_requests(p, registry.defaults)]
    if not projects:
        return {}
    from repoman_tasks.tools.approvals import submit_approval
    from repoman_tasks.tools.repo_config import submit_request

    found = {}
    for project in projects:
        repo = f"{local_repos}/{project.repo}"
        request = submit_request(host, repo, project.asked_mounts)
        found[project.name] = Future(partial(_revoked, request, submit_approval(host, repo)))
    return found


def _revoked(request: Future[Request], approval: Future[Approval | None]) -> str:
    try:
        requested, before = request.result(), approval.result()
    except RepomanError as problem:
        return problem.what
    if before is None:
        return "there is no approval"
    return "" if covers(before, requested) else "it was changed, or leads elsewhere now"


def _bare(project: Project) -> Project:
    """The project without what its repo asked for, but what needs no approval in any case."""
    return replace(project, asked_image="", asked_profiles=None, asked_mounts=())


@task()
def folders(session: Session) -> Future[list[str]]:
    """Ask for the names of the folders beside the repos, and of the repos themselves."""
    return submit_folder_names(session.host, _local_repos(session))


@task()
def incus(session: Session) -> Future[Incus]:
    """Return the Incus project of the estate; nothing is asked yet."""
    project = session.of(stored_registry).defaults.incus_project
    return Future(lambda: Incus(session.host, project))


@task()
def containers(session: Session) -> Future[Containers]:
    """Ask Incus which containers there are; if it can't be asked, the reason."""
    asked = session.of(incus).submit_containers()

    def found() -> Containers:
        try:
            return Containers(asked.result())
        except Failed as problem:
            return unknown_containers(problem)

    return Future(found)


def require_containers(session: Session) -> Containers:
    """The containers; `Failed` where Incus can't be asked."""
    found = session.of(containers)
    if found.problem:
        raise Failed(*found.problem)
    return found


@task()
def addresses(session: Session) -> Future[dict[str, str]]:
    """Ask for the addresses of the containers that run."""
    return session.of(incus).submit_addresses()


@task()
def person(session: Session) -> Future[Person]:
    """Ask who works on the host."""
    return submit_person(session.host)


@task()
def fence_facts(session: Session) -> Future[FenceFacts | RepomanError]:
    """Ask for what containers stand on: Incus itself, its project and profiles; or why nobody
    knows."""
    from repoman_tasks.tools.fence_probe import read_fence_facts, submit_fence

    asked = submit_fence(session.of(incus), session.of(stored_registry).defaults)
    session.submit(containers)
    session.submit(person)

    def found() -> FenceFacts | RepomanError:
        try:
            whose = partial(session.of, person)
            return read_fence_facts(asked, session.of(reconcile), session.of(containers), whose)
        except RepomanError as problem:
            return problem

    return Future(found)


@task()
def forbidden_paths(session: Session) -> Future[ForbiddenPaths]:
    """Ask for the places of the host that no container may have."""
    from repoman_tasks.tools.forbidden_paths import submit_forbidden_paths

    return submit_forbidden_paths(session.host, session.of(reconcile), session.store.folder)


@task(holds=True)
def backup_share(session: Session) -> Future[Share | TargetUnusable]:
    """Look at the backup share and hold it in use; if it is not usable, the reason."""
    from repoman_tasks.tools.share import open_share

    registry, local_repos = session.of(stored_registry), _local_repos(session)
    path = absolute(registry.defaults.nfs_repos, session.host.home)
    opening = open_share(session.host, path, local_repos, registry.defaults.probe_seconds)
    return Future(partial(_judged, session.stack, opening, registry))


def _judged(
    stack: ExitStack, opening: AbstractContextManager[Share], registry: Registry
) -> Share | TargetUnusable:
    from repoman_tasks.planning.mirror.share_check import check_marker, check_share

    try:
        share = stack.enter_context(opening)
        check_share(share.probe, registry.defaults)
        check_marker(share.probe, registry.estate.id)
    except TargetUnusable as unusable:
        return unusable
    return share


def require_share(session: Session) -> Share:
    """The share; `TargetUnusable` where it is not to be written to."""
    found = session.of(backup_share)
    if isinstance(found, TargetUnusable):
        raise found
    return found

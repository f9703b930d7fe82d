"""The shared pre-tasks: they look, and change nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from repoman_tasks.cli.task import task
from repoman_tasks.errors import Failed, RepomanError, TargetUnusable
from repoman_tasks.model import Person, Project, Registry
from repoman_tasks.planning.container.drift import Containers, unknown_containers
from repoman_tasks.planning.findings import EstateFacts, repo_state
from repoman_tasks.planning.names import absolute
from repoman_tasks.planning.trust.approval_rules import (
    ForbiddenPaths,
    covers,
    has_privileged_requests,
)
from repoman_tasks.session import Session
from repoman_tasks.tools.file_tree import folders_argv, folders_in
from repoman_tasks.tools.incus import Incus
from repoman_tasks.tools.person import find_person, person_argv

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
]


@task()
def reconcile(session: Session) -> EstateFacts:
    """Hold the registry against what there is."""
    host = session.host
    registry = session.store.load()
    host.forget()
    configured = _configured(session, registry)
    for expected in session.expected:
        expected.foresee(session, registry)
    privileged_requests = [
        p for p in registry.projects if has_privileged_requests(p, registry.defaults)
    ]
    _foresee_asked(session, privileged_requests, configured)
    paths = [configured, *(f"{configured}/{project.repo}" for project in registry.projects)]
    base, *folders = host.real_folders(paths)  # at once: the host may be far away
    local_repos = base or configured
    repos = {
        project.name: repo_state(f"{local_repos}/{project.repo}", real, local_repos)
        for project, real in zip(registry.projects, folders, strict=True)
    }
    revoked = _revoked(session, privileged_requests, local_repos)
    projects = (_bare(p) if p.name in revoked else p for p in registry.projects)
    valid = replace(registry, projects=tuple(projects))
    return EstateFacts(valid, local_repos, repos, host.home, revoked, registry)


def _configured(session: Session, registry: Registry) -> str:
    """The path of local_repos as it was given; it may lead to another one."""
    return absolute(registry.defaults.local_repos, session.host.home)


def _foresee_asked(session: Session, projects: Sequence[Project], local_repos: str) -> None:
    """Say that the files of `projects` will be read; in vain where the path leads elsewhere."""
    if not projects:
        return
    from repoman_tasks.tools.repo_config import foresee_asked

    for project in projects:
        foresee_asked(session.host, f"{local_repos}/{project.repo}", project.asked_mounts)


def _revoked(session: Session, projects: Sequence[Project], local_repos: str) -> dict[str, str]:
    """Those of `projects`, of which something was applied, whose approval does not stand now."""
    if not projects:
        return {}
    from repoman_tasks.tools.approvals import approved
    from repoman_tasks.tools.repo_config import read_request

    found = {}
    for project in projects:
        repo = f"{local_repos}/{project.repo}"
        try:
            request, before = read_request(session.host, repo), approved(session.host, repo)
            if before is None:
                found[project.name] = "there is no approval"
            elif not covers(before, request):
                found[project.name] = "it was changed, or leads elsewhere now"
        except RepomanError as problem:
            found[project.name] = problem.what
    return found


def _bare(project: Project) -> Project:
    """The project without what its repo asked for, but what needs no approval in any case."""
    return replace(project, asked_image="", asked_profiles=None, asked_mounts=())


def _has_containers(registry: Registry) -> bool:
    return any(project.container for project in registry.projects)


def _foresee_folders(session: Session, registry: Registry) -> None:
    session.host.foresee([folders_argv(_configured(session, registry))])


@task(foresee=_foresee_folders)
def folders(session: Session) -> list[str]:
    """The names of the folders beside the repos, and of the repos themselves."""
    return folders_in(session.host, _configured(session, session.of(reconcile).registry))


@task()
def incus(session: Session) -> Incus:
    """The Incus project of the estate; nothing is asked yet."""
    return Incus(session.host, session.of(reconcile).registry.defaults.incus_project)


def _foresee_containers(session: Session, registry: Registry) -> None:
    there = Incus(session.host, registry.defaults.incus_project)
    there.foresee(there.all_containers)


@task(foresee=_foresee_containers)
def containers(session: Session) -> Containers:
    """Ask Incus, once, which containers there are; where it can't be asked, the reason."""
    try:
        return Containers(session.of(incus).containers())
    except Failed as problem:
        return unknown_containers(problem)


def require_containers(session: Session) -> Containers:
    """The containers; `Failed` where Incus can't be asked."""
    found = session.of(containers)
    if found.problem:
        raise Failed(*found.problem)
    return found


def _foresee_addresses(session: Session, registry: Registry) -> None:
    if any(project.address for project in registry.projects):
        there = Incus(session.host, registry.defaults.incus_project)
        there.foresee(there.all_addresses)


@task(foresee=_foresee_addresses)
def addresses(session: Session) -> dict[str, str]:
    """The addresses of the containers that run."""
    return session.of(incus).addresses()


def _foresee_person(session: Session, registry: Registry) -> None:
    if _has_containers(registry):
        session.host.foresee(person_argv(session.host))


@task(foresee=_foresee_person)
def person(session: Session) -> Person:
    """Who works on the host."""
    return find_person(session.host)


def _foresee_grounds(session: Session, registry: Registry) -> None:
    from repoman_tasks.tools.fence_probe import foresee_grounds

    if _has_containers(registry):
        foresee_grounds(Incus(session.host, registry.defaults.incus_project), registry.defaults)


@task(asks=[containers, person], foresee=_foresee_grounds)
def fence_facts(session: Session) -> FenceFacts | RepomanError:
    """What containers stand on: Incus itself, its project and profiles; or why nobody knows."""
    from repoman_tasks.tools.fence_probe import read_fence_facts

    found, whose = session.of(containers), lambda: session.of(person)
    try:
        return read_fence_facts(session.of(incus), session.of(reconcile), found, whose)
    except RepomanError as problem:
        return problem


@task()
def forbidden_paths(session: Session) -> ForbiddenPaths:
    """The places of the host that no container may have."""
    from repoman_tasks.tools.forbidden_paths import find_forbidden_paths

    return find_forbidden_paths(session.host, session.of(reconcile), session.store.folder)


def _foresee_mounts(session: Session, registry: Registry) -> None:
    session.host.foresee(pin=absolute(registry.defaults.nfs_repos, session.host.home))


@task(holds=True, foresee=_foresee_mounts)
def backup_share(session: Session) -> Share | TargetUnusable:
    """Look at the backup share and hold it in use; where it is not usable, the reason."""
    from repoman_tasks.planning.mirror.share_check import check_marker, check_share
    from repoman_tasks.tools.share import open_share

    facts = session.of(reconcile)
    defaults = facts.registry.defaults
    path = absolute(defaults.nfs_repos, session.host.home)
    try:
        share = session.stack.enter_context(
            open_share(session.host, path, facts.local_repos, defaults.probe_seconds)
        )
        check_share(share.probe, defaults)
        check_marker(share.probe, facts.registry.estate.id)
    except TargetUnusable as unusable:
        return unusable
    return share


def require_share(session: Session) -> Share:
    """The share; `TargetUnusable` where it is not to be written to."""
    found = session.of(backup_share)
    if isinstance(found, TargetUnusable):
        raise found
    return found

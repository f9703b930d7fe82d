"""The shared pre-tasks: they look, and change nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from repoman_tasks.cli.task import task
from repoman_tasks.errors import Failed, RepomanError, TargetUnusable
from repoman_tasks.model import Project, Registry
from repoman_tasks.planning.drift import Containers, unusable
from repoman_tasks.planning.health import Reality, repo_state
from repoman_tasks.planning.names import absolute
from repoman_tasks.planning.trust import Places, reaches, stands
from repoman_tasks.session import Session
from repoman_tasks.tools.incus import Incus
from repoman_tasks.tools.tree import folders_in, folders_words

if TYPE_CHECKING:  # what not every command needs is imported when it does
    from repoman_tasks.planning.grounds import Grounds
    from repoman_tasks.tools.share import Share

__all__ = [
    "asked",
    "containers",
    "folders",
    "grounds",
    "incus",
    "mountable",
    "mounts",
    "reconcile",
    "usable",
]


@task()
def reconcile(session: Session) -> Reality:
    """Hold the registry against what there is."""
    host = session.host
    registry = session.store.load()
    wanted = _configured(session, registry)
    _foresee(session, registry)
    paths = [wanted, *(f"{wanted}/{project.repo}" for project in registry.projects)]
    base, *folders = host.real_folders(paths)  # at once: the host may be far away
    local_repos = base or wanted
    repos = {
        project.name: repo_state(f"{local_repos}/{project.repo}", real, local_repos)
        for project, real in zip(registry.projects, folders, strict=True)
    }
    revoked = _revoked(session, registry, local_repos)
    projects = (_bare(p) if p.name in revoked else p for p in registry.projects)
    registry = replace(registry, projects=tuple(projects))
    return Reality(registry, local_repos, repos, host.home, revoked)


def _configured(session: Session, registry: Registry) -> str:
    """The path of local_repos as it was given; it may lead to another one."""
    return absolute(registry.defaults.local_repos, session.host.home)


def _foresee(session: Session, registry: Registry) -> None:
    """Have a host that is far away asked at once what the task's other pre-tasks will ask."""
    host, defaults = session.host, registry.defaults
    if containers in session.expected:
        there = Incus(host, defaults.incus_project)
        there.foresee(there.all_containers)
    if mounts in session.expected:
        host.foresee(pin=absolute(defaults.nfs_repos, host.home))
    if folders in session.expected:
        host.foresee([folders_words(_configured(session, registry))])


def _revoked(session: Session, registry: Registry, local_repos: str) -> dict[str, str]:
    """The projects of which something was applied whose approval does not stand any more."""
    wanted = [p for p in registry.projects if reaches(p, registry.defaults)]
    if not wanted:
        return {}
    from repoman_tasks.tools.approvals import approved
    from repoman_tasks.tools.repo_file import read_asked

    found = {}
    for project in wanted:
        repo = f"{local_repos}/{project.repo}"
        before = approved(session.host, repo)
        try:
            if before is None:
                found[project.name] = "there is no approval"
            elif not stands(before, read_asked(session.host, repo)):
                found[project.name] = "it was changed, or leads elsewhere now"
        except RepomanError as problem:
            found[project.name] = problem.what
    return found


def _bare(project: Project) -> Project:
    """The project without what its repo asked for, but what needs no approval in any case."""
    return replace(project, asked_image="", asked_profiles=None, asked_mounts=())


@task()
def folders(session: Session) -> list[str]:
    """The names of the folders beside the repos, and of the repos themselves."""
    return folders_in(session.host, _configured(session, session.of(reconcile).registry))


@task()
def incus(session: Session) -> Incus:
    """The Incus project of the estate; nothing is asked yet."""
    return Incus(session.host, session.of(reconcile).registry.defaults.incus_project)


@task()
def containers(session: Session) -> Containers:
    """Ask Incus, once, which containers there are; where it can't be asked, the reason."""
    try:
        return Containers(session.of(incus).containers())
    except Failed as problem:
        return unusable(problem)


def asked(session: Session) -> Containers:
    """The containers; `Failed` where Incus can't be asked."""
    found = session.of(containers)
    if found.problem:
        raise Failed(*found.problem)
    return found


@task()
def grounds(session: Session) -> Grounds | RepomanError:
    """What containers stand on: Incus itself, its project and profiles; or why nobody knows."""
    from repoman_tasks.tools.grounds import look_at_grounds

    try:
        return look_at_grounds(session.of(incus), session.of(reconcile))
    except RepomanError as problem:
        return problem


@task()
def mountable(session: Session) -> Places:
    """The places of the host that no container may have."""
    from repoman_tasks.tools.places import find_places

    return find_places(session.host, session.of(reconcile), session.store.folder)


@task(holds=True)
def mounts(session: Session) -> Share | TargetUnusable:
    """Look at the backup share and hold it in use; where it is not usable, the reason."""
    from repoman_tasks.planning.share import judge, judge_marker
    from repoman_tasks.tools.share import open_share

    reality = session.of(reconcile)
    defaults = reality.registry.defaults
    path = absolute(defaults.nfs_repos, session.host.home)
    try:
        share = session.stack.enter_context(
            open_share(session.host, path, reality.local_repos, defaults.probe_seconds)
        )
        judge(share.probe, defaults)
        judge_marker(share.probe, reality.registry.estate.id)
    except TargetUnusable as unusable:
        return unusable
    return share


def usable(session: Session) -> Share:
    """The share; `TargetUnusable` where it is not to be written to."""
    found = session.of(mounts)
    if isinstance(found, TargetUnusable):
        raise found
    return found

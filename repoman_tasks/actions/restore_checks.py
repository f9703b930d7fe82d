"""Finds what `restore` copies and where to, and checks that nothing can be lost."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime

from repoman_tasks.actions.facts import (
    incus,
    readable_share,
    reconcile,
    require_containers,
    require_share,
)
from repoman_tasks.actions.project_container import repo_path
from repoman_tasks.errors import Busy, Refused, quoted
from repoman_tasks.hosts.base import Future, Lock, Locked
from repoman_tasks.hosts.processes import utc_text
from repoman_tasks.mirror.restore_run import Restore, RestoreSource
from repoman_tasks.model import Project
from repoman_tasks.planning.findings import check_renamed
from repoman_tasks.planning.mirror.restore_plan import (
    RESTORED,
    RestoreOptions,
    Target,
    check_target,
    inner_paths,
    plan_target,
    unused,
)
from repoman_tasks.planning.mirror.snapshots import Snapshot, find_snapshot, snapshot_time
from repoman_tasks.planning.mirror.sync_plan import find_project, first_symlink
from repoman_tasks.planning.names import absolute, with_parents
from repoman_tasks.session import Session
from repoman_tasks.tools.file_tree import submit_folder_names
from repoman_tasks.tools.rsync import Item, Preserved
from repoman_tasks.tools.share import Share
from repoman_tasks.tools.snapshot_folders import check_source

__all__ = [
    "MIRROR",
    "check_stays_stopped",
    "find_snapshots",
    "kept_by",
    "lock_restore",
    "missing_repos",
    "prepare_restore",
    "taken_at",
]

MIRROR = "mirror"
"""The label of the mirror itself, beside the names of snapshots."""


def prepare_restore(
    session: Session, name: str, options: RestoreOptions, see: Callable[[Item], object]
) -> Restore:
    """Return the restore of the project called `name`, which passes each change to `see`.

    Raise an error if there is nothing to restore, or if something could be lost.
    """
    facts = session.of(reconcile)
    project, defaults = find_project(facts.registry, name), facts.registry.defaults
    check_renamed(project)
    paths = inner_paths(options.paths, repo_path(facts, project))
    share = require_share(session, readable_share)
    source = _source(share, project, paths, options.at)
    target = _target(session, project, source, replace(options, paths=paths))
    excludes = facts.registry.excludes(project)
    keeps = kept_by(share)
    return Restore(session.host, keeps, source, target, excludes, defaults.stall_seconds, see)


def kept_by(share: Share) -> Preserved:
    """Return the metadata of files that are known to be as they were in the repo."""
    probe = share.probe
    return Preserved(probe.keeps_owners, probe.keeps_groups, probe.keeps_nanoseconds)


@contextmanager
def lock_restore(session: Session, name: str) -> Iterator[Lock]:
    """Keep a sync of the project called `name`, and another restore, out.

    Raise Busy if there is one.
    """
    try:
        with session.host.lock(session.store.lock_path(name)) as lock:
            yield lock
    except Locked as error:
        raise Busy(f"a sync or restore of {name} is running, {error}", "let it finish") from None


def _source(share: Share, project: Project, paths: tuple[str, ...], at: str) -> RestoreSource:
    """Return what to restore: from the mirror or, if `at` is given, from a snapshot.

    Raise Failed if it does not exist, Refused if a path to it leads through a symlink.
    """
    link = first_symlink(share.submit_roots([project.repo]).result(), project.repo)
    if link:
        raise Refused(f"{share.probe.path}/{link} on the share is a symlink", "restore it by hand")
    source = RestoreSource(MIRROR, share.root, project.repo, paths, project.last_sync)
    snapshot = ""
    if at:
        snapshots, now = find_snapshots(share)
        found = find_snapshot(snapshots, at, now)
        source = RestoreSource(found.name, found.root, project.repo, paths, taken_at(found))
        snapshot = found.name
    words = (project.name, *paths[:1])
    cure = f"list the versions that there are with `repoman history {quoted(*words)}`"
    check_source(share, source.root, project.repo, paths, snapshot, cure)
    return source


def find_snapshots(share: Share) -> tuple[list[Snapshot], datetime]:
    """Return the snapshots of the share, and the time now in this host's zone, that of theirs."""
    now = datetime.now().astimezone()
    assert now.tzinfo is not None
    found = share.find_snapshots()
    return [Snapshot(name, root, snapshot_time(name, now.tzinfo)) for name, root in found], now


def taken_at(snapshot: Snapshot) -> str:
    """Return when it was taken, in the registry's format; empty if unknown."""
    return utc_text(snapshot.taken) if snapshot.taken else ""


def _target(
    session: Session, project: Project, source: RestoreSource, options: RestoreOptions
) -> Target:
    """Return where the copy goes. Raise Refused if something could be lost there."""
    facts, host = session.of(reconcile), session.host
    repo = repo_path(facts, project)
    missing = _is_missing(session, repo)
    target = plan_target(
        *(project.name, repo, source.label, options, host.home, session.now()), missing=missing
    )
    if not (options.to or target.in_place or target.folder == repo):
        folder = f"{host.home}/{RESTORED}"
        target = unused(target, submit_folder_names(host, folder).result())
    repos = [repo_path(facts, other) for other in facts.registry.projects]
    share = absolute(facts.registry.defaults.nfs_repos, host.home)
    check_target(target, repos, [share, session.store.folder])
    if target.in_place:
        _check_stopped(session, project)
        _check_no_links(session, repo, source.paths)
    elif target.folder != repo or not missing:
        _check_new(session, target)
    return target


def missing_repos(session: Session) -> list[Project]:
    """Return the projects with a backup whose repo does not exist or is empty."""
    facts = session.of(reconcile)
    backed_up = [project for project in facts.registry.projects if project.backup]
    missing = [_submit_missing(session, repo_path(facts, project)) for project in backed_up]
    return [project for project, asked in zip(backed_up, missing, strict=True) if asked.result()]


def _submit_missing(session: Session, folder: str) -> Future[bool]:
    """Ask if `folder` does not exist or is empty."""
    argv = ["find", f"{folder}/", "-maxdepth", "0", "!", "-empty", "-printf", "x"]
    return session.host.submit(argv).then(lambda result: not result.out)


def _is_missing(session: Session, folder: str) -> bool:
    return _submit_missing(session, folder).result()


def _check_no_links(session: Session, repo: str, paths: Sequence[str]) -> None:
    """Raise Refused if the repo, or a folder above one of `paths` in it, is a symlink.

    rsync before 3.4 follows it, and would write elsewhere.
    """
    parents = {parent for path in paths for parent in with_parents(path)[:-1]}
    folders = [repo, *(f"{repo}/{parent}" for parent in sorted(parents))]
    argv = ["find", *folders, "-maxdepth", "0", "-type", "l", "-print0"]
    links = session.host.read(argv).text.split("\0")[:-1]
    if links:
        raise Refused(f"{links[0]} is a symlink", "replace it by a real folder")


def _check_new(session: Session, target: Target) -> None:
    if not _is_missing(session, target.folder):
        raise Refused(f"{target.folder} exists already", "name another folder by --to")


def _check_stopped(session: Session, project: Project) -> None:
    """Raise Refused if a container runs that could swap folders for links meanwhile."""
    if not project.container:
        return
    container = require_containers(session).by_name.get(project.name)
    if container is not None and container.status != "stopped":
        raise _running(project)


def check_stays_stopped(session: Session, name: str) -> None:
    """Raise Refused if the container of a project starts again, as one that reboots does."""
    project = find_project(session.of(reconcile).registry, name)
    if project.container and not session.of(incus).stays_stopped(name):
        raise _running(project)


def _running(project: Project) -> Refused:
    return Refused(
        f"the container {project.name} is running and could write to the repo meanwhile",
        f"run `repoman stop {quoted(project.name)}` first",
    )

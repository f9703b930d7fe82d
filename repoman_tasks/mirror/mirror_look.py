"""A look at whole mirrors: listings of repos and mirrors, and what of them differs.

It takes a third of the requests of an rsync that compares both, and rsync then sees only what
differs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from repoman_tasks.hosts.base import Differences, Future
from repoman_tasks.mirror.rsync_pass import SyncContext, list_entries
from repoman_tasks.model import Project
from repoman_tasks.planning.mirror.manifest import Changes
from repoman_tasks.planning.mirror.pair_differences import by_repo, find_candidates
from repoman_tasks.planning.names import SERVER_FOLDERS

__all__ = ["submit_look", "without_excluded"]


def submit_look(
    context: SyncContext, projects: Sequence[Project], limit_seconds: float
) -> Future[Mapping[str, Changes] | None]:
    """Ask what of the mirrors of `projects` may differ, by name.

    The result is None if listings do not tell: a mirror is missing, or the share changes times or
    modes. It raises an error if the share makes no progress, or after `limit_seconds`.
    """
    keeps = context.keeps
    alike = keeps.nanoseconds and keeps.odd_seconds and keeps.case and keeps.modes and keeps.times
    repos = [project.repo for project in projects]
    if not alike or any(repo not in context.roots for repo in repos):
        return Future(lambda: None)
    asked = context.host.submit_differences(
        (context.local_repos, context.share.root),
        repos,
        (".zfs", *sorted(SERVER_FOLDERS)),
        ":".join(["%U"] * keeps.owners + ["%G"] * keeps.groups) or "-",
        (context.registry.defaults.stall_seconds, limit_seconds),
    )

    def judge(found: Differences | None) -> Mapping[str, Changes] | None:
        if found is None:
            return None
        ours, theirs = (by_repo(lines, repos) for lines in found)
        chmod = not keeps.owners
        return {
            project.name: find_candidates(repo, ours[repo], theirs[repo], chmod=chmod)
            for project, repo in zip(projects, repos, strict=True)
        }

    return asked.then(judge)


def without_excluded(context: SyncContext, project: Project, found: Changes) -> Changes:
    """Return `found` without what is excluded, if the mirror only lacks entries of the repo.

    rsync itself says what it would copy, and asks the share for nothing.
    """
    if found.paths or found.gone or not found.trees:
        return found
    copied: set[bytes] = set()

    def see(path: bytes, _size: int) -> None:
        if (name := path.rstrip(b"/")) in found.trees:
            copied.add(name)

    list_entries(context, project, see)
    return replace(found, trees=frozenset(copied))

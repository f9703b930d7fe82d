"""Checking several projects with one rsync.

On most nights most projects have not changed, and an rsync of its own for each costs more
than all its questions to the share. So projects whose files are as they were at the last
sync share one; it repairs what somebody did to a mirror meanwhile. A project that changed,
or a batch that does not go through whole, is left to a sync of its own.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from repoman_tasks.errors import RepomanError
from repoman_tasks.hosts.base import Future, Lock
from repoman_tasks.mirror.events import Finished, Started
from repoman_tasks.mirror.project_sync import submit_look
from repoman_tasks.mirror.rsync_pass import SyncContext, run_pass
from repoman_tasks.model import Project
from repoman_tasks.planning.mirror import source_check as source
from repoman_tasks.planning.mirror.sync_plan import Outcome
from repoman_tasks.tools.file_tree import Look

__all__ = ["mirror_batch"]


def mirror_batch(
    context: SyncContext, projects: Sequence[Project]
) -> tuple[list[Outcome], list[Project]]:
    """Mirror those of `projects` that are unchanged; also returns those that are left."""
    began = time.monotonic()
    host = context.host
    looks, mounted = _submit_looks(context, projects), context.share.submit_check()
    quiet = _unchanged(context, looks)
    paths = {context.lock_path(name): name for name in quiet}
    with host.locks(list(paths)) as locks:  # what is taken is told by a sync of its own
        held = {paths[path] for path in locks}
        together = [project for project in projects if project.name in held]
        for project in together:
            context.emit(Started(project.name))
        enough = len(together) > 1
        held_now = list(locks.values())
        outcomes = _checked(context, together, held_now, quiet, mounted) if enough else []
    for outcome in outcomes:
        outcome.seconds = time.monotonic() - began
        context.emit(Finished(outcome))
    done = {outcome.name for outcome in outcomes}
    return outcomes, [project for project in projects if project.name not in done]


Looks = Sequence[tuple[Project, Future[Look]]]


def _submit_looks(context: SyncContext, projects: Sequence[Project]) -> Looks:
    """Ask for a walk over the repo of each of `projects`."""
    return [(project, submit_look(context, project)) for project in projects]


def _unchanged(context: SyncContext, looks: Looks) -> dict[str, Look]:
    """What the repos hold, of those where that is what the last sync saw."""
    found = {}
    for project, look in looks:
        if context.host.stopping.is_set():
            return {}
        try:
            seen = look.result()
        except RepomanError:
            continue
        # Files of two projects that are one on disk would become one in their mirrors.
        if seen.tally.tree == project.last_tree and not seen.hard_links:
            found[project.name] = seen
    return found


def _checked(
    context: SyncContext,
    projects: Sequence[Project],
    locks: Sequence[Lock],
    quiet: dict[str, Look],
    mounted: Future[None],
) -> list[Outcome]:
    """The outcomes of one rsync over `projects`; none where it did not go through whole.

    `mounted` raises where the share is not mounted any more as it was.
    """
    max_shrink = context.registry.defaults.max_shrink
    limits = [source.deletion_limit(p, quiet[p.name].tally, max_shrink) for p in projects]
    try:
        mounted.result()
        done = run_pass(
            context,
            projects,
            locks,
            [f"{project.repo}/" for project in projects],
            max_delete=min((limit for limit in limits if limit is not None), default=None),
        )
        mounted, looks = context.share.submit_check(), _submit_looks(context, projects)
        mounted.result()
        still = {} if done.vanished else _unchanged(context, looks)
    except Exception:  # a sync of its own will tell which project it was, and what
        return []
    outcomes = []
    for project in projects:
        seen = quiet[project.name]
        if project.name in still:
            warnings = [f"{special} is not mirrored" for special in seen.specials]
            outcomes.append(
                Outcome(
                    project.name,
                    counts=done.counts[project.name],
                    warnings=warnings,
                    tally=seen.tally,
                    synced_at=context.now(),
                )
            )
    return outcomes

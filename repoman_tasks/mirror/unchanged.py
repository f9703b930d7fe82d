"""The projects for which nothing has to be done: neither the repo nor its mirror has changed.

The share is asked for its token and for one listing, when the run begins, and for nothing here.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence

from repoman_tasks.errors import RepomanError
from repoman_tasks.mirror.events import Finished, Started
from repoman_tasks.mirror.project_sync import is_there
from repoman_tasks.mirror.rsync_pass import SyncContext
from repoman_tasks.model import Mirrored, Project
from repoman_tasks.planning.mirror.sync_plan import Outcome

__all__ = ["find_unchanged"]


def find_unchanged(
    context: SyncContext, projects: Sequence[Project]
) -> tuple[list[Outcome], list[Project]]:
    """Return the outcomes of the unchanged ones of `projects`, and the other projects."""
    began = time.monotonic()
    known = [(project, state) for project in projects if (state := context.trusted(project))]
    known = [(project, state) for project, state in known if _can_be_read(context, project)]
    try:
        with context.host.limited(began + (context.registry.defaults.sync_seconds or math.inf)):
            same = _same(context, known)
    except RepomanError:  # the sync of each single project will report the error
        return [], list(projects)
    outcomes = [_outcome(context, project, state, began) for project, state in same]
    for outcome in outcomes:
        context.emit(Started(outcome.name))
        context.emit(Finished(outcome))
    done = {outcome.name for outcome in outcomes}
    return outcomes, [project for project in projects if project.name not in done]


def _same(
    context: SyncContext, known: Sequence[tuple[Project, Mirrored]]
) -> list[tuple[Project, Mirrored]]:
    """Return those of `known` whose repo has the digest that the mirror equals."""
    roots = [f"{context.local_repos}/{project.repo}" for project, _ in known]
    real, digests = context.host.submit_folders(roots), context.host.submit_digests(roots)
    mounted = context.share.submit_check()
    mounted.result()
    found = zip(known, real.result(), digests.result(), strict=True)
    return [
        (project, state)
        for (project, state), path, digest in found
        if digest == state.digest and not state.written and is_there(context, project, path)
    ]


def _can_be_read(context: SyncContext, project: Project) -> bool:
    """Return True if nothing is known of the file systems in the repo that a sync must report."""
    return context.inner(project).problem is None and context.same_mounts(project)


def _outcome(context: SyncContext, project: Project, state: Mirrored, began: float) -> Outcome:
    return Outcome(
        project.name,
        seconds=time.monotonic() - began,
        warnings=list(state.warnings),
        tally=state.tally,
        state=state,
        unchanged=True,
        synced_at=context.now(),
    )

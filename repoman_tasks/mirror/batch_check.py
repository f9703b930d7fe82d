"""The full comparison of several unchanged projects, by listings of their repos and mirrors.

On most nights most projects have not changed, and so their mirrors have not either. What shows this
is two walks by find over several projects, which start fewer processes and ask the share for less
than an rsync for each. A project that changed, or whose mirror did, is synced alone, and so is each
project of a batch that fails.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence

from repoman_tasks.errors import RepomanError
from repoman_tasks.mirror.events import Finished, Started
from repoman_tasks.mirror.mirror_look import submit_look, without_excluded
from repoman_tasks.mirror.project_sync import is_there
from repoman_tasks.mirror.rsync_pass import Equal, SyncContext, mirrored
from repoman_tasks.model import Mirrored, Project
from repoman_tasks.planning.mirror.manifest import NOTHING
from repoman_tasks.planning.mirror.sync_plan import Outcome

__all__ = ["check_batch"]


def check_batch(
    context: SyncContext, projects: Sequence[Project]
) -> tuple[list[Outcome], list[Project]]:
    """Compare the mirrors of the unchanged ones of `projects` in full; write nothing there.

    Return the outcomes of those whose mirrors equal the repos, and the other projects.
    """
    began = time.monotonic()
    paths = {context.lock_path(project.name): project.name for project in projects}
    with context.host.locks(list(paths)) as locks:  # the sync of a single one reports a taken lock
        locked = {paths[path] for path in locks}
        batch = [project for project in projects if project.name in locked]
        for project in batch:
            context.emit(Started(project.name))
        try:
            with context.host.limited(began + (context.registry.defaults.sync_seconds or math.inf)):
                outcomes = _check(context, batch)
        except RepomanError:  # the sync of each single project will report the error
            outcomes = []
    for outcome in outcomes:
        outcome.seconds = time.monotonic() - began
        context.emit(Finished(outcome))
    done = {outcome.name for outcome in outcomes}
    return outcomes, [project for project in projects if project.name not in done]


def _check(context: SyncContext, projects: Sequence[Project]) -> list[Outcome]:
    """Return the outcomes of those of `projects` whose mirrors equal the repos.

    A repo with the digest of its last sync is what that sync found. If it changes after its
    digest was taken, its next digest tells.
    """
    known = {project.name: state for project in projects if (state := context.settled(project))}
    projects = [project for project in projects if project.name in known]
    roots = [f"{context.local_repos}/{project.repo}" for project in projects]
    real, digests = context.host.submit_folders(roots), context.host.submit_digests(roots)
    mounted = context.share.submit_check()
    mounted.result()
    found = zip(projects, real.result(), digests.result(), strict=True)
    same = [
        project
        for project, path, digest in found
        if digest == known[project.name].digest and is_there(context, project, path)
    ]
    equal = _equal(context, same)
    context.share.submit_check().result()
    return [_outcome(context, project, known[project.name]) for project in equal]


def _equal(context: SyncContext, projects: Sequence[Project]) -> list[Project]:
    """Return those of `projects` whose mirrors equal the repos."""
    if not projects:
        return []
    context.before_write([project.name for project in projects])
    limit = context.registry.defaults.sync_seconds
    found = submit_look(context, projects, limit).result() or {}
    differ = {
        project.name: without_excluded(context, project, found[project.name])
        for project in projects
        if project.name in found
    }
    return [project for project in projects if differ.get(project.name) == NOTHING]


def _outcome(context: SyncContext, project: Project, state: Mirrored) -> Outcome:
    outcome = Outcome(
        project.name,
        warnings=list(state.warnings),
        tally=state.tally,
        synced_at=context.now(),
    )
    outcome.state = mirrored(context, project, outcome, Equal(state.digest))
    return outcome

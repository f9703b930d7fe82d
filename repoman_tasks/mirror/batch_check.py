"""The check of several unchanged projects with one rsync.

On most nights most projects have not changed, and to start one rsync per project costs more than
its work. So projects whose files are as they were at the last sync share one rsync, which also
repairs changes to their mirrors. A project that changed is synced alone, and so is each project of
a batch that fails.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from repoman_tasks.errors import RepomanError
from repoman_tasks.hosts.base import Future, Lock
from repoman_tasks.mirror.events import Finished, Started
from repoman_tasks.mirror.project_sync import submit_survey
from repoman_tasks.mirror.rsync_pass import Equal, Pass, SyncContext, mirrored, run_pass
from repoman_tasks.model import Project
from repoman_tasks.planning.mirror import source_check as source
from repoman_tasks.planning.mirror.sync_plan import Outcome
from repoman_tasks.tools.file_tree import Survey
from repoman_tasks.tools.git_elsewhere import submit_elsewhere

__all__ = ["mirror_batch"]


def mirror_batch(
    context: SyncContext, projects: Sequence[Project]
) -> tuple[list[Outcome], list[Project]]:
    """Mirror the unchanged ones of `projects`; return their outcomes and the other projects."""
    began = time.monotonic()
    host = context.host
    surveys, mounted = _submit_surveys(context, projects), context.share.submit_check()
    unchanged = _unchanged(context, surveys)
    paths = {context.lock_path(name): name for name in unchanged}
    with host.locks(
        list(paths)
    ) as locks:  # the sync of a single project reports a lock that is taken
        locked = {paths[path] for path in locks}
        batch = [project for project in projects if project.name in locked]
        for project in batch:
            context.emit(Started(project.name))
        held = list(locks.values())
        outcomes = _check(context, batch, held, unchanged, mounted) if len(batch) > 1 else []
    for outcome in outcomes:
        outcome.seconds = time.monotonic() - began
        context.emit(Finished(outcome))
    done = {outcome.name for outcome in outcomes}
    return outcomes, [project for project in projects if project.name not in done]


Surveys = Sequence[tuple[Project, Future[Survey]]]


def _submit_surveys(context: SyncContext, projects: Sequence[Project]) -> Surveys:
    """Ask for a survey of the repo of each of `projects`."""
    return [(project, submit_survey(context, project)) for project in projects]


def _unchanged(context: SyncContext, surveys: Surveys) -> dict[str, Survey]:
    """Return the surveys that equal those of the last sync, by project."""
    unchanged = {}
    for project, pending in surveys:
        if context.host.stopping.is_set():
            return {}
        try:
            survey = pending.result()
        except RepomanError:
            continue
        # One rsync would keep a hard link between two projects, and so tie their mirrors together.
        last = context.last(project)
        same = last is not None and survey.tally.tree == last.tally.tree
        if same and not survey.hard_links:
            unchanged[project.name] = survey
    return unchanged


def _check(
    context: SyncContext,
    projects: Sequence[Project],
    locks: Sequence[Lock],
    unchanged: dict[str, Survey],
    mounted: Future[None],
) -> list[Outcome]:
    """Mirror `projects` with one rsync, and return their outcomes; none if it fails.

    A project that changes meanwhile gets no outcome. `mounted` raises if the share is no longer
    mounted as it was.
    """
    max_shrink = context.registry.defaults.max_shrink
    limits = [source.deletion_limit(p, unchanged[p.name].tally, max_shrink) for p in projects]
    roots = [f"{context.local_repos}/{project.repo}" for project in projects]
    try:
        before = context.host.submit_digests(roots).result()
        mounted.result()
        done = run_pass(
            context,
            projects,
            locks,
            [f"{project.repo}/" for project in projects],
            max_delete=min((limit for limit in limits if limit is not None), default=None),
        )
        mounted, surveys = context.share.submit_check(), _submit_surveys(context, projects)
        after = context.host.submit_digests(roots)
        mounted.result()
        still = {} if done.vanished else _unchanged(context, surveys)
        same = [a if a == b else "" for a, b in zip(before, after.result(), strict=True)]
    except Exception:  # the sync of each single project will report the error
        return []
    return [
        _outcome(context, project, done, unchanged[project.name], digest)
        for project, digest in zip(projects, same, strict=True)
        if project.name in still
    ]


def _outcome(
    context: SyncContext, project: Project, done: Pass, survey: Survey, digest: str
) -> Outcome:
    repo = f"{context.local_repos}/{project.repo}"
    elsewhere = submit_elsewhere(context.host, repo, survey.pointers).result()
    outcome = Outcome(
        project.name,
        counts=done.counts[project.name],
        warnings=[*survey.warnings, *elsewhere],
        tally=survey.tally,
        synced_at=context.now(),
    )
    equal = Equal(digest if context.options.delete else "")
    outcome.state = mirrored(context, project, outcome, equal)
    return outcome

"""Checking several projects with one rsync.

On most nights most projects have not changed, and an rsync of its own for each costs more
than all its questions to the share. So projects whose files are as they were at the last
sync share one; it repairs what somebody did to a mirror meanwhile. A project that changed,
or a batch that does not go through whole, is left to a sync of its own.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack

from repoman_tasks.errors import Failed, RepomanError
from repoman_tasks.host import Lock
from repoman_tasks.mirror.events import Finished, Started
from repoman_tasks.mirror.passes import Setting, run_pass
from repoman_tasks.mirror.project import look_at_repo
from repoman_tasks.model import Project
from repoman_tasks.planning import source
from repoman_tasks.planning.sync import Outcome
from repoman_tasks.tools.tree import Look

__all__ = ["mirror_batch"]


def mirror_batch(
    setting: Setting, projects: Sequence[Project]
) -> tuple[list[Outcome], list[Project]]:
    """Mirror those of `projects` that are unchanged; also returns those that are left."""
    began = time.monotonic()
    quiet: dict[str, Look] = {}
    with ExitStack() as held:
        locks = []
        for project in projects:
            seen = _unchanged(setting, project)
            if seen is None:
                continue
            try:
                locks.append(held.enter_context(setting.host.lock(setting.lock_path(project.name))))
            except Failed:  # taken, or it can't be: a sync of its own will tell
                continue
            quiet[project.name] = seen
            setting.emit(Started(project.name))
        together = [project for project in projects if project.name in quiet]
        outcomes = _checked(setting, together, locks, quiet) if len(together) > 1 else []
    for outcome in outcomes:
        outcome.seconds = time.monotonic() - began
        setting.emit(Finished(outcome))
    done = {outcome.name for outcome in outcomes}
    return outcomes, [project for project in projects if project.name not in done]


def _unchanged(setting: Setting, project: Project) -> Look | None:
    """What the project's repo holds, if that is what the last sync saw; else None."""
    if setting.host.stopping.is_set():
        return None
    try:
        seen = look_at_repo(setting, project)
    except RepomanError:
        return None
    # Files of two projects that are one on disk would become one in their mirrors.
    return seen if seen.tally.tree == project.last_tree and not seen.hard_links else None


def _checked(
    setting: Setting, projects: Sequence[Project], locks: Sequence[Lock], quiet: dict[str, Look]
) -> list[Outcome]:
    """The outcomes of one rsync over `projects`; none where it did not go through whole."""
    max_shrink = setting.registry.defaults.max_shrink
    limits = [source.most_deletions(p, quiet[p.name].tally, max_shrink) for p in projects]
    try:
        setting.share.check()
        done = run_pass(
            setting,
            projects,
            locks,
            [f"{project.repo}/" for project in projects],
            max_delete=min((limit for limit in limits if limit is not None), default=None),
        )
        setting.share.check()
    except Exception:  # a sync of its own will tell which project it was, and what
        return []
    outcomes = []
    for project in projects:
        seen = quiet[project.name]
        if not done.vanished and _unchanged(setting, project):
            warnings = [f"{special} is not mirrored" for special in seen.specials]
            outcomes.append(
                Outcome(
                    project.name,
                    counts=done.counts[project.name],
                    warnings=warnings,
                    tally=seen.tally,
                    synced_at=setting.now(),
                )
            )
    return outcomes

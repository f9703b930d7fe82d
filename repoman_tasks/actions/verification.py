"""Compares mirrors with their repos, one after the other, and records what is proven."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace

from repoman_tasks.errors import ExitCode, RepomanError
from repoman_tasks.mirror.rsync_pass import SyncContext
from repoman_tasks.mirror.verify_run import verify_project
from repoman_tasks.model import Project
from repoman_tasks.planning.mirror.attempts import Record
from repoman_tasks.planning.mirror.damage import (
    Verdict,
    damage_cure,
    due_for_proof,
    valid_verified,
)
from repoman_tasks.planning.mirror.sync_plan import Outcome
from repoman_tasks.planning.text.wording import plural
from repoman_tasks.session import Session

__all__ = ["describe", "verify_after_sync", "verify_each"]


def verify_each(
    session: Session,
    context: SyncContext,
    projects: Sequence[Project],
    percent: float | None,
    until: float | None = None,
) -> Iterator[Verdict]:
    """Compare the mirrors of `projects`, all of each or its next `percent`; yield the verdicts.

    None is begun after the time `until`, of the monotonic clock, and a sample ends there.
    """
    state = session.store.verified
    known = state.submit_load().result()
    for project in projects:
        if until is not None and time.monotonic() > until:
            return
        before = valid_verified(project, known.get(project.name))
        with session.screen.progress(f"{project.name}: comparing its mirror"):
            verdict = verify_project(
                context, project, before, percent=percent, state_folder=state.folder, until=until
            )
        if not session.dry:
            _record(session, verdict)
        yield verdict


def _record(session: Session, verdict: Verdict) -> None:
    """Keep what is proven, and a record of the comparison; that it can't be kept is no error."""
    store, code = session.store, verdict.code
    error = ": ".join(filter(None, [verdict.error, verdict.cure]))
    if verdict.damaged or verdict.objects:
        code, error = ExitCode.UNHEALTHY, f"{describe(verdict)}: {damage_cure(verdict.name)}"
    record = Record(
        session.now(), verdict.name, "verify", int(code), round(verdict.seconds, 3), error=error
    )
    with suppress(RepomanError):
        if not verdict.error:
            store.verified.record(verdict.name, verdict.verified)
        store.mirrors.update(lambda known: known, [record])


def verify_after_sync(
    session: Session, context: SyncContext, outcomes: Sequence[Outcome], seconds: float
) -> bool:
    """Compare files of the mirrors that `outcomes` completed, for so many seconds.

    Print damage on standard error; return True if there is none.
    """
    until = time.monotonic() + seconds
    registry, state = session.store.load(), session.store.mirrors.submit_load()
    complete = {outcome.name for outcome in outcomes if outcome.ok}
    synced = [project for project in registry.projects if project.name in complete]
    known = session.store.verified.submit_load().result()
    due = due_for_proof(synced, known, session.now(), registry.defaults.full_every)
    after = replace(context, registry=registry, mirrors=state.result())
    well = True
    for verdict in verify_each(session, after, due, 100, until):
        if not verdict.well:
            well = False
            cure = verdict.cure if verdict.error else damage_cure(verdict.name)
            session.screen.note(f"{verdict.name}: {describe(verdict)}: {cure}")
    return well


def describe(verdict: Verdict) -> str:
    """Return what was found, without the cure."""
    if verdict.error:
        return verdict.error
    files = f"{plural(verdict.files, 'file')} compared"
    if verdict.damaged or verdict.objects:
        entries = [f"{plural(len(verdict.damaged), 'entry', 'entries')} damaged"]
        objects = ["git objects damaged"]
        parts = entries * bool(verdict.damaged) + objects * bool(verdict.objects)
        return ", ".join([*parts, files])
    changed = f", {verdict.changed} changed since its last sync" if verdict.changed else ""
    proven = f", {verdict.verified.proven} % proven" if verdict.verified.proven < 100 else ""
    return f"well, {files}{proven}{changed}"

"""Runs the steps of `snapshot` and `undo`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

from repoman_tasks.actions.facts import copies_folder, incus, reconcile
from repoman_tasks.actions.logged_attempt import logged_restore
from repoman_tasks.actions.restore_checks import lock_restore
from repoman_tasks.errors import Failed, RepomanError, quoted
from repoman_tasks.hosts.signals import defer_signals
from repoman_tasks.mirror.restore_run import Restore, RestoreSource
from repoman_tasks.planning.local_snapshots import MOST_COPIED, Copy, closed_note, incus_name
from repoman_tasks.planning.mirror.restore_plan import Target
from repoman_tasks.planning.steps import (
    DeleteSnapshot,
    NoteUndo,
    ReturnContainer,
    ReturnRepo,
    Step,
    TakeSnapshot,
)
from repoman_tasks.session import Session
from repoman_tasks.tools import rsync
from repoman_tasks.tools.git_guard_files import guard_folders
from repoman_tasks.tools.incus import Incus
from repoman_tasks.tools.repo_copies import (
    copy_repo,
    flush,
    left_out_rules,
    remove_copy,
    submit_size,
    write_copy,
)

__all__ = ["repo_restore", "run_on_snapshot"]


def run_on_snapshot(session: Session, step: Step) -> bool:
    """Run a step of `snapshot` or `undo`; return False if it is another one."""
    if isinstance(step, TakeSnapshot):
        _take(session, step)
    elif isinstance(step, DeleteSnapshot):
        _delete(session, step)
    elif isinstance(step, NoteUndo):
        _note(session, step)
    elif isinstance(step, ReturnContainer):
        _return_container(session.of(incus), step)
    elif isinstance(step, ReturnRepo):
        _return_repo(session, step)
    else:
        return False
    return True


# --- taking one -----------------------------------------------------------------------------


def _take(session: Session, step: TakeSnapshot) -> None:
    """Take a snapshot while nothing runs in the container; if a part fails, remove the others."""
    there, made = session.of(incus), list[Callable[[], object]]()
    try:
        with _frozen(there, step):
            if step.container:
                made.append(partial(_delete_of_container, there, step.name, step.id))
                body = {"name": incus_name(step.id), "stateful": False}
                there.change("POST", there.at("instances", step.name, "snapshots"), body)
            if step.pool:
                made.append(partial(_delete_of_volume, there, step.name, step.id, step.pool))
                path = there.volume(step.pool, step.name, "snapshots")
                there.change("POST", path, {"name": incus_name(step.id)})
            if step.repo:
                made.append(partial(remove_copy, session.host, step.folder))
                _copy(session, step)
    except BaseException:
        with defer_signals():
            while made:
                with suppress(RepomanError):  # the first error is told
                    made.pop()()
        raise


@contextmanager
def _frozen(there: Incus, step: TakeSnapshot) -> Iterator[None]:
    """Freeze the container of a project, if it has one that runs.

    So all parts are of one instant, and nobody in it can swap a folder for a link meanwhile. Raise
    Failed if it was stopped and has started: Incus has one that reboots as stopped.
    """
    if not step.has_container:
        yield
        return
    rest = there.rest_of(step.name)
    if rest is not None:
        yield
        if there.rest_of(step.name) != rest:
            what = f"{step.name} has started while its repo was copied, and may have changed it"
            raise Failed(what, f"stop it with `repoman stop --force {quoted(step.name)}`")
        return
    try:
        there.set_state(step.name, "freeze")
        yield
    finally:
        with defer_signals():
            frozen = there.container(step.name)
            if frozen is not None and frozen.status == "frozen":
                there.set_state(step.name, "unfreeze")


def _copy(session: Session, step: TakeSnapshot) -> None:
    host = session.host
    guard_folders(host, [copies_folder(session)])  # git must not trust a copy, either
    may_copy = step.may_copy
    if not may_copy:  # what changed it while it was counted stands still now
        known = submit_size(host, step.repo).result()
        may_copy = known is not None and known <= MOST_COPIED
    copied = copy_repo(host, step.repo, step.folder, may_copy=may_copy)
    if copied is not None:
        size, closed = copied
        if closed:
            session.screen.note(closed_note(step.repo, closed))
        write_copy(host, step.folder, Copy(step.id, size))
        return
    what = f"{step.repo} is too large for a copy that shares no data with it"
    cure = f"its mirror is the only copy: run `repoman sync {quoted(step.name)}`"
    if not (step.container or step.pool):
        raise Failed(what, cure)
    session.screen.note(f"{what}, it is not in the snapshot: {cure}")


# --- removing one ---------------------------------------------------------------------------


def _delete(session: Session, step: DeleteSnapshot) -> None:
    there = session.of(incus)
    if step.container:
        _delete_of_container(there, step.name, step.id)
    if step.pool:
        _delete_of_volume(there, step.name, step.id, step.pool)
    if step.folder and (result := remove_copy(session.host, step.folder)).code:
        raise Failed(f"{step.folder} can't be deleted", result.complaint)


def _delete_of_container(there: Incus, name: str, id: str) -> None:
    there.change("DELETE", there.at("instances", name, "snapshots", incus_name(id)))


def _delete_of_volume(there: Incus, name: str, id: str, pool: str) -> None:
    there.change("DELETE", there.volume(pool, name, "snapshots", incus_name(id)))


# --- going back -----------------------------------------------------------------------------


def _note(session: Session, step: NoteUndo) -> None:
    size = submit_size(session.host, step.folder).result() or 0 if step.done else 0
    copy = Copy(step.id, size, step.at, step.parts, step.ran, step.done)
    if step.done:
        flush(session.host, step.folder)
    write_copy(session.host, step.folder, copy)


def _return_container(there: Incus, step: ReturnContainer) -> None:
    """Take a container, its volume or both back; the container keeps its configuration.

    Incus brings back that of the snapshot, which may have what is no longer approved.
    """
    body = {"restore": incus_name(step.id)}
    if step.pool:
        there.change("PUT", there.volume(step.pool, step.name), body)
    if not step.container:
        return
    changes = _configuration(there, step)
    with defer_signals():
        there.change("PUT", there.at("instances", step.name), body)
        there.replace(step.name, changes)


def _configuration(there: Incus, step: ReturnContainer) -> Mapping[str, Any]:
    """Return the configuration that the container keeps: its own.

    A try that was killed may have left that of its snapshot.
    """
    own = there.configuration("instances", step.name)
    if own is None:
        raise Failed(f"the container {step.name} is gone", "see `repoman status`")

    def of(id: str) -> Mapping[str, Any] | None:
        return there.configuration("instances", step.name, "snapshots", incus_name(id))

    if any(of(at) == own for _, at in step.tries):
        return of(step.tries[0][0]) or own
    return own


def repo_restore(
    session: Session, step: ReturnRepo, see: Callable[[rsync.Item], object], *, missing: bool
) -> Restore:
    """Return the restore that a step does, which passes each change to `see`."""
    stall = session.of(reconcile).registry.defaults.stall_seconds
    target = Target(step.path, "" if missing else step.aside, step.source)
    source = RestoreSource(step.id, step.source, "repo")
    rules, _ = left_out_rules(session.host, step.source)
    return Restore(session.host, rsync.Preserved(), source, target, None, stall, see, rules)


def _return_repo(session: Session, step: ReturnRepo) -> None:
    missing = session.host.real_folder(step.path) is None
    run = repo_restore(session, step, lambda _: None, missing=missing)
    with (
        lock_restore(session, step.name) as lock,
        logged_restore(session, step.name, in_its_place=True) as outcome,
    ):
        guard_folders(session.host, run.target.folders)
        if step.halts:  # else it could swap a folder for a link, and rsync would write elsewhere
            session.of(incus).keep_stopped(step.name)
        outcome.counts = run.run([lock])

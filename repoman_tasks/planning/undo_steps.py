"""The steps that take a project back to a snapshot, and those that forget what that replaced. Pure.

A note in repoman's state says where an undo goes, before anything changes. So an undo that was
interrupted is known, and the same command completes it. What each try replaces is kept apart: what
is in the repo after an interruption may be of the snapshot, or new work.
"""

from __future__ import annotations

from collections.abc import Sequence

from repoman_tasks.errors import Refused, UsageError, quoted
from repoman_tasks.late_dataclass import dataclass
from repoman_tasks.planning.local_snapshots import (
    Copy,
    LocalSnapshot,
    SnapshotFacts,
    find_local_snapshot,
    removal_steps,
    unused_id,
)
from repoman_tasks.planning.steps import (
    ChangeState,
    NoteUndo,
    ReturnContainer,
    ReturnRepo,
    Step,
    TakeSnapshot,
)

__all__ = ["Undo", "forget_steps", "undo_steps", "undo_target"]

_STOPPED = ("stopped", "error")


@dataclass(frozen=True)
class Undo:
    """An undo: the snapshot that it goes back to, and the parts that it takes back."""

    snapshot: LocalSnapshot
    id: str
    """Id of what keeps what it replaces."""
    parts: tuple[str, ...]
    ran: bool
    """True if the container ran when it began."""
    begun: tuple[Copy, ...] = ()
    """Each try that was interrupted, the newest last."""


def undo_target(facts: SnapshotFacts, at: str, parts: Sequence[str], now: str) -> Undo:
    """Return the undo of `parts`, or of all that the snapshot called `at` has if there are none.

    If one was interrupted, it goes on with that, or from there to another snapshot. Raise an error
    if the snapshot, or a part of it, does not exist.
    """
    running = facts.container is not None and facts.container.status not in _STOPPED
    begun = facts.unfinished
    snapshot = find_local_snapshot(facts, at or (begun[-1].at if begun else ""))
    absent = [part for part in parts if part not in snapshot.parts]
    if absent:
        cure = f"see `repoman snapshot list {quoted(facts.name)}`"
        raise UsageError(f"the snapshot {snapshot.id} has no {absent[0]}", cure)
    id = unused_id(now, {*(one.id for one in facts.snapshots), *facts.left}, kept=True)
    if begun:
        both = {*parts, *(part for copy in begun for part in copy.parts)}
        left = tuple(part for part in snapshot.parts if part in both)
        ran = running or any(copy.ran for copy in begun)
        return Undo(snapshot, id, left, ran, begun)
    return Undo(snapshot, id, tuple(parts) or snapshot.parts, running)


def undo_steps(facts: SnapshotFacts, undo: Undo, repo: str) -> list[Step]:
    """Return the steps of an undo; `repo` is the path of the repo, which may be missing."""
    name, folder = facts.name, f"{facts.folder}/{undo.id}"
    begins, ends = (
        NoteUndo(name, folder, undo.id, undo.snapshot.id, undo.parts, undo.ran, done)
        for done in (False, True)
    )
    running = facts.container is not None and facts.container.status not in _STOPPED
    earlier = [
        NoteUndo(name, f"{facts.folder}/{one.id}", one.id, one.at, one.parts, one.ran, done=True)
        for one in undo.begun
    ]
    return [
        begins,
        *([ChangeState(name, "stop")] if running else []),
        *_incus_steps(facts, undo),
        *([_repo_step(facts, undo, repo, stops=running)] if "repo" in undo.parts else []),
        *([ChangeState(name, "start")] if undo.ran else []),
        *earlier,
        ends,
    ]


def _repo_step(facts: SnapshotFacts, undo: Undo, repo: str, *, stops: bool) -> ReturnRepo:
    source, aside = f"{facts.folder}/{undo.snapshot.id}", f"{facts.folder}/{undo.id}/repo"
    halts = facts.container is not None and not stops
    return ReturnRepo(facts.name, undo.snapshot.id, repo, source, aside, halts)


def _incus_steps(facts: SnapshotFacts, undo: Undo) -> list[Step]:
    """Return the steps that keep container and volume as they are, and take them back."""
    container = "container" in undo.parts
    pool = facts.volume_pool if "volume" in undo.parts else ""
    if not (container or pool):
        return []
    tries = tuple((one.id, one.at) for one in undo.begun if one.id in facts.in_container)
    return [
        TakeSnapshot(facts.name, undo.id, container, pool),
        ReturnContainer(facts.name, undo.snapshot.id, container, pool, tries),
    ]


def forget_steps(facts: SnapshotFacts) -> list[Step]:
    """Return the steps that delete all that undo replaced.

    Raise Refused if an undo did not end, and its snapshot is there to complete it.
    """
    there = {one.id for one in facts.snapshots}
    begun = facts.unfinished
    if begun and begun[-1].at in there:
        what = f"an undo of {facts.name} to {begun[-1].at} did not end"
        raise Refused(what, f"run `repoman undo {quoted(facts.name)}` first")
    return removal_steps(facts, [one.id for one in facts.snapshots if one.kept])

"""The plan of a snapshot, and of the way back."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from repoman_tasks.errors import Failed, Refused, UsageError
from repoman_tasks.planning.container.spec import Container
from repoman_tasks.planning.local_snapshots import (
    MOST_COPIED,
    MOST_KEPT,
    Copy,
    LocalSnapshot,
    SnapshotFacts,
    find_local_snapshot,
    foreign_names,
    own_ids,
    snapshot_steps,
    surplus,
    time_of,
    unused_id,
)
from repoman_tasks.planning.steps import (
    ChangeState,
    DeleteSnapshot,
    NoteUndo,
    ReturnContainer,
    ReturnRepo,
    TakeSnapshot,
)
from repoman_tasks.planning.undo_steps import forget_steps, undo_steps, undo_target

NOW = "2026-11-28T01:30:00Z"
FIRST, SECOND = "20261127T013000Z", "20261127T023000Z"
RUNNING = Container("isurus", "running", {}, {}, (), pool="pool")
FACTS = SnapshotFacts(
    *("isurus", "/state/isurus", "/repos/isurus", 1000, RUNNING, {"pool": "btrfs"}, "pool"),
    in_container=(FIRST, SECOND),
    in_volume=(FIRST, SECOND),
    copies=(Copy(FIRST), Copy(SECOND)),
)


def begun(**changes: object) -> SnapshotFacts:
    """Return the facts after an undo to FIRST that did not end."""
    copy = Copy("undo-x", 0, FIRST, ("container", "volume", "repo"), ran=True, done=False)
    kept = replace(copy, id=unused_id(NOW, (), kept=True))
    return replace(FACTS, copies=(*FACTS.copies, kept), **changes)  # type: ignore[arg-type]


# --- names ----------------------------------------------------------------------------------


def test_an_id_says_when() -> None:
    assert unused_id(NOW, ()) == "20261128T013000Z"
    assert unused_id(NOW, ["20261128T013000Z"]) == "20261128T013000Z-2"
    assert time_of(unused_id(NOW, (), kept=True)) == NOW


@given(st.integers(0, 30))
def test_those_of_one_second_are_in_order(count: int) -> None:
    ids: list[str] = []
    for _ in range(count):
        ids.append(unused_id(NOW, ids))
    facts = replace(FACTS, in_container=tuple(reversed(ids)), in_volume=(), copies=())
    assert [one.id for one in facts.snapshots] == ids


def test_only_repomans_own() -> None:
    names = ["mine", "repoman-x", f"repoman-{FIRST}", f"repoman-undo-{FIRST}", FIRST]
    paths = [f"/1.0/instances/isurus/snapshots/{name}?project=repoman" for name in names]
    assert own_ids(paths) == (FIRST, f"undo-{FIRST}")
    assert foreign_names(paths) == ("mine", "repoman-x", FIRST)


# --- taking one -----------------------------------------------------------------------------


def test_all_parts() -> None:
    (step,), missing = snapshot_steps(FACTS, NOW)
    assert isinstance(step, TakeSnapshot)
    assert (step.container, step.pool, step.repo) == (True, "pool", "/repos/isurus")
    assert step.has_container
    assert missing == []


@pytest.mark.parametrize(
    ("size", "may_copy"), [(0, True), (MOST_COPIED, True), (MOST_COPIED + 1, False), (None, False)]
)
def test_a_large_repo_is_copied_only_if_it_costs_nothing(size: int | None, may_copy: bool) -> None:
    steps, _ = snapshot_steps(replace(FACTS, repo_bytes=size), NOW)
    assert isinstance(steps[0], TakeSnapshot)
    assert steps[0].may_copy is may_copy


@pytest.mark.parametrize("driver", ["dir", "zfs", "lvm", "ceph", ""])
def test_other_pools(driver: str) -> None:
    facts = replace(FACTS, drivers={"pool": driver})
    (step,), missing = snapshot_steps(facts, NOW)
    assert isinstance(step, TakeSnapshot)
    assert (step.container, step.pool, step.repo) == (False, "", "/repos/isurus")
    assert len(missing) == 2
    with pytest.raises(Refused, match="nothing of isurus"):
        snapshot_steps(replace(facts, repo=""), NOW)


def test_the_oldest_goes() -> None:
    ids = [unused_id(f"2026-11-27T01:{minute:02}:00Z", ()) for minute in range(MOST_KEPT + 2)]
    snapshots = [LocalSnapshot(id) for id in ids]
    assert surplus(snapshots, NOW, automatic=False) == ids[:3]
    assert surplus(snapshots[:3], NOW, automatic=False) == []
    late = "2099-01-01T00:00:00Z"
    assert surplus(snapshots[:3], late, automatic=False) == ids[:2], "the clock may be wrong"
    assert surplus([], NOW, automatic=False) == []
    replaced = [LocalSnapshot(f"undo-{id}") for id in ids]
    assert surplus(replaced, "2029-01-01T00:00:00Z", automatic=False) == []


def test_those_of_an_agent_push_out_none_of_a_person() -> None:
    times = [f"2026-11-27T01:{minute:02}:00Z" for minute in range(MOST_KEPT + 1)]
    own = [LocalSnapshot(unused_id(time, ())) for time in times]
    of_agent = [LocalSnapshot(unused_id(time, (), automatic=True)) for time in times]
    both = [one for pair in zip(own, of_agent, strict=True) for one in pair]
    oldest, oldest_of_agent = (one.id for one in both[:2])
    second_of_agent = both[3].id
    assert surplus(own, "2099-01-01T00:00:00Z", automatic=True) == []
    assert surplus(both, NOW, automatic=True) == [oldest_of_agent, second_of_agent]
    assert surplus(both, NOW, automatic=False) == [oldest, oldest_of_agent, both[2].id]
    (take, *_), _ = snapshot_steps(FACTS, NOW, automatic=True)
    assert isinstance(take, TakeSnapshot)
    assert take.id == "agent-20261128T013000Z"
    assert LocalSnapshot(take.id).automatic
    assert own_ids([f"/1.0/x/repoman-{take.id}"]) == (take.id,)


def test_what_an_interrupted_one_left_goes() -> None:
    (delete, take), _ = snapshot_steps(replace(FACTS, left=("20261128T013000Z",)), NOW)
    assert delete == DeleteSnapshot(
        "isurus", "20261128T013000Z", folder="/state/isurus/20261128T013000Z"
    )
    assert isinstance(take, TakeSnapshot)
    assert take.id == "20261128T013000Z-2"


def test_what_an_undo_needs_stays() -> None:
    facts = begun(in_container=(FIRST, SECOND, "20261127T033000Z"))
    steps, _ = snapshot_steps(facts, "2027-06-01T00:00:00Z")
    assert [step.id for step in steps if isinstance(step, DeleteSnapshot)] == [SECOND]


# --- going back -----------------------------------------------------------------------------


def test_everything_goes_back_in_order() -> None:
    steps = undo_steps(FACTS, undo_target(FACTS, "", (), NOW), "/repos/isurus")
    assert [type(step) for step in steps] == [
        *(NoteUndo, ChangeState, TakeSnapshot, ReturnContainer, ReturnRepo, ChangeState, NoteUndo),
    ]
    back = steps[3]
    assert back == ReturnContainer("isurus", SECOND, container=True, pool="pool")
    assert [step.halts for step in steps if isinstance(step, ReturnRepo)] == [False]


def test_a_stopped_container_stays_so() -> None:
    facts = replace(FACTS, container=replace(RUNNING, status="stopped"))
    steps = undo_steps(facts, undo_target(facts, FIRST, ["volume"], NOW), "/repos/isurus")
    assert [type(step) for step in steps] == [NoteUndo, TakeSnapshot, ReturnContainer, NoteUndo]
    assert steps[2] == ReturnContainer("isurus", FIRST, container=False, pool="pool")
    steps = undo_steps(facts, undo_target(facts, FIRST, ["repo"], NOW), "/repos/isurus")
    assert [step.halts for step in steps if isinstance(step, ReturnRepo)] == [True], "or reboots"


@pytest.mark.parametrize("now", [NOW, "2026-12-01T00:00:00Z"])
def test_an_interrupted_one_goes_on(now: str) -> None:
    """Each try keeps apart what it replaces, so that none is replaced itself."""
    stopped = replace(RUNNING, status="stopped")
    id = unused_id(NOW, (), kept=True)
    facts = begun(container=stopped, in_container=(*FACTS.in_container, id))
    target = undo_target(facts, "", (), now)
    assert (target.snapshot.id, target.ran) == (FIRST, True)
    assert target.id != id
    steps = undo_steps(facts, target, "/repos/isurus")
    assert [type(step) for step in steps] == [
        *(NoteUndo, TakeSnapshot, ReturnContainer, ReturnRepo, ChangeState, NoteUndo, NoteUndo),
    ]
    take = steps[1]
    assert isinstance(take, TakeSnapshot)
    assert (take.id, take.container, take.pool) == (target.id, True, "pool")
    ends = [(step.id, step.done) for step in steps if isinstance(step, NoteUndo)]
    assert ends == [(target.id, False), (id, True), (target.id, True)]


def test_an_interrupted_one_may_go_elsewhere() -> None:
    """It keeps what it replaced first; with the parts of both, and noted anew."""
    facts = begun()
    kept = replace(facts.copies[-1], parts=("volume",))
    facts = replace(facts, copies=(*facts.copies[:-1], kept))
    target = undo_target(facts, SECOND, ["repo"], "2026-12-01T00:00:00Z")
    assert (target.snapshot.id, target.begun) == (SECOND, (kept,))
    assert target.id != kept.id
    assert target.parts == ("volume", "repo")
    back = undo_steps(facts, target, "/repos/isurus")
    assert f"/state/isurus/{target.id}/repo" in {
        step.aside for step in back if isinstance(step, ReturnRepo)
    }
    with pytest.raises(Refused, match="did not end"):
        forget_steps(facts)


def test_what_is_not_there() -> None:
    with pytest.raises(Failed, match="has no snapshot 'x'"):
        find_local_snapshot(FACTS, "x")
    with pytest.raises(Failed, match="has no snapshot"):
        find_local_snapshot(replace(FACTS, in_container=(), in_volume=(), copies=()), "")
    only_repo = replace(FACTS, in_container=(), in_volume=())
    with pytest.raises(UsageError, match="has no container"):
        undo_target(only_repo, "", ["container"], NOW)


def test_what_was_replaced_is_forgotten_with_all_its_parts() -> None:
    id = unused_id(NOW, (), kept=True)
    facts = replace(
        FACTS,
        in_container=(*FACTS.in_container, id),
        copies=(*FACTS.copies, Copy(id, at=FIRST)),
    )
    assert forget_steps(facts) == [
        DeleteSnapshot("isurus", id, container=True, folder=f"/state/isurus/{id}")
    ]

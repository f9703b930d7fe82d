"""Checks of a repo against the tally of its last sync."""

from __future__ import annotations

import pytest

from repoman_tasks.errors import Refused
from repoman_tasks.model import Mirrored, Project, Tally
from repoman_tasks.planning.mirror.source_check import check_shrinkage, deletion_limit, valid_state


@pytest.mark.parametrize(
    ("tally", "last", "max_shrink"),
    [
        pytest.param(Tally(0), None, 0.5, id="empty, never mirrored"),
        pytest.param(Tally(0), Tally(0), 0.5, id="empty as before"),
        pytest.param(Tally(50), Tally(100), 0.5, id="shrunk by exactly half"),
        pytest.param(Tally(200), Tally(100), 0.5, id="grown"),
        pytest.param(Tally(100), Tally(100), 0.0, id="the same, nothing may go"),
        pytest.param(Tally(1), Tally(100), 1.0, id="nearly all gone, all may go"),
        pytest.param(
            Tally(10, 0, "new"), Tally(10, 5000, "old"), 0.5, id="gc packed the loose objects"
        ),
        pytest.param(Tally(10, 0), Tally(10, 50), 0.5, id="a few loose objects were pruned"),
        pytest.param(Tally(0, 10), Tally(0, 10), 0.5, id="loose objects only"),
    ],
)
def test_sources_that_pass(tally: Tally, last: Tally | None, max_shrink: float) -> None:
    check_shrinkage("a", "/r/a", tally, last, max_shrink)  # Refused otherwise


@pytest.mark.parametrize(
    ("tally", "last", "max_shrink", "message"),
    [
        pytest.param(Tally(0), Tally(1), 0.5, "is empty, .* counted 1 file: get the", id="one"),
        pytest.param(Tally(0), Tally(100), 1.0, "is empty", id="empty even where all may go"),
        pytest.param(Tally(0, 9), Tally(100), 0.5, "is empty", id="only loose objects left"),
        pytest.param(Tally(49), Tally(100), 0.5, "holds 49 files, .* 100", id="below half"),
        pytest.param(Tally(99), Tally(100), 0.0, r"max_shrink = 0\)", id="nothing may go"),
        pytest.param(Tally(1), Tally(3), 0.5, "holds 1 file, .* counted 3 ", id="few files"),
        pytest.param(
            Tally(10, 0, "a"), Tally(10, 300, "a"), 0.5, "no new pack", id="objects gone, no pack"
        ),
        pytest.param(
            *(Tally(10, 1, "a"), Tally(10, 300, "a"), 0.5),
            "holds 1 loose git object and",
            id="one object left",
        ),
    ],
)
def test_sources_that_are_refused(
    tally: Tally, last: Tally, max_shrink: float, message: str
) -> None:
    with pytest.raises(Refused, match=message) as caught:
        check_shrinkage("a", "/r/a", tally, last, max_shrink)
    assert caught.value.code == 6
    assert "/r/a" in caught.value.what
    assert "repoman sync a --force" in caught.value.cure


STATE = Mirrored("2026-04-28T20:17:03Z", Tally(7, 3))


@pytest.mark.parametrize(
    ("project", "state", "valid"),
    [
        pytest.param(Project("a", "a", mirror="a"), None, False, id="no state, no sync"),
        pytest.param(Project("a", "a", mirror="a"), STATE, False, id="registered again"),
        pytest.param(Project("a", "a", "", last_sync=STATE.last_sync), STATE, False, id="moved"),
        pytest.param(
            Project("a", "a", last_sync="2026-04-27T00:00:00Z", mirror="a"),
            *(STATE, False),
            id="a registry from a backup",
        ),
        pytest.param(
            Project("a", "a", last_sync=STATE.last_sync, mirror="a"), STATE, True, id="of that sync"
        ),
    ],
)
def test_valid_state(project: Project, state: Mirrored | None, valid: bool) -> None:
    assert valid_state(project, state) == (state if valid else None)


@pytest.mark.parametrize(
    ("max_delete", "last", "max_shrink", "limit"),
    [
        pytest.param(None, None, 0.5, None, id="never mirrored"),
        pytest.param(None, Tally(10), 0.5, 100, id="a small repo may change as a whole"),
        pytest.param(None, Tally(1000), 0.5, 500, id="half"),
        pytest.param(None, Tally(1000, 40), 0.5, 580, id="loose objects may always go"),
        pytest.param(None, Tally(1000), 0.0, 100, id="nothing"),
        pytest.param(7, Tally(1000), 0.5, 7, id="its own limit"),
        pytest.param(0, Tally(1000), 0.5, 0, id="its own limit is none"),
        pytest.param(7, None, 0.5, 7, id="its own limit, never mirrored"),
    ],
)
def test_deletion_limit(
    max_delete: int | None, last: Tally | None, max_shrink: float, limit: int | None
) -> None:
    assert deletion_limit(Project("a", max_delete=max_delete), last, max_shrink) == limit

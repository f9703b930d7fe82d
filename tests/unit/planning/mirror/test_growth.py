"""A mirror that stays as big as it is while its repo grows."""

from __future__ import annotations

from dataclasses import replace

import pytest

from repoman_tasks.model import Mirrored, Project, Tally
from repoman_tasks.planning.mirror.growth import growth_findings, with_growth

LONG_AGO, LAST, NOW = "2026-04-01T00:00:00Z", "2026-04-28T00:00:00Z", "2026-04-28T20:00:00Z"
MIB = 1 << 20
PROJECT = Project("isurus", "isurus", mirror="isurus", last_sync=LAST)
GROWN = Mirrored(
    LAST, Tally(9, bytes=MIB, left_out=99 * MIB), size_since=LONG_AGO, left_out_then=MIB
)


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        pytest.param(GROWN, 1, id="grown"),
        pytest.param(None, 0, id="no state"),
        pytest.param(replace(GROWN, size_since=""), 0, id="of an earlier version"),
        pytest.param(replace(GROWN, size_since=LAST), 0, id="not for long"),
        pytest.param(replace(GROWN, left_out_then=95 * MIB), 0, id="a few files"),
        pytest.param(replace(GROWN, left_out_then=80 * MIB), 0, id="a small part"),
        pytest.param(replace(GROWN, last_sync=LONG_AGO), 0, id="of another sync"),
    ],
)
def test_growth_findings(state: Mirrored | None, expected: int) -> None:
    found = growth_findings(PROJECT, state, NOW)
    assert len(found) == expected
    assert not any(finding.problem for finding in found), "a build may grow as it likes"
    assert growth_findings(replace(PROJECT, backup=False), state, NOW) == []


def test_a_mirror_that_changes_in_size_begins_anew() -> None:
    first = with_growth(Mirrored(LONG_AGO, Tally(9, bytes=MIB, left_out=5)), None)
    assert (first.size_since, first.left_out_then) == (LONG_AGO, 5)
    same = with_growth(Mirrored(LAST, Tally(9, bytes=MIB, left_out=70)), first)
    assert (same.size_since, same.left_out_then) == (LONG_AGO, 5)
    other = with_growth(Mirrored(LAST, Tally(9, bytes=MIB + 1, left_out=70)), first)
    assert (other.size_since, other.left_out_then) == (LAST, 70)

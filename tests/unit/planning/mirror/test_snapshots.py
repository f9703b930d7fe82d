"""The time of a snapshot by its name, and the snapshot that a person names."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from repoman_tasks.errors import UsageError
from repoman_tasks.planning.mirror.snapshots import (
    Snapshot,
    find_snapshot,
    newest_first,
    parse_when,
    snapshot_time,
)

ZONE = timezone(timedelta(hours=2))
NOW = datetime(2026, 11, 27, 12, 30, tzinfo=ZONE)


@pytest.mark.parametrize(
    ("name", "taken"),
    [
        ("zfs-auto-snap_daily-2026-11-20-0325", datetime(2026, 11, 20, 3, 25, tzinfo=ZONE)),
        ("autosnap_2026-11-20_03:25:02_daily", datetime(2026, 11, 20, 3, 25, 2, tzinfo=ZONE)),
        ("auto-2026-11-20_03-25", datetime(2026, 11, 20, 3, 25, tzinfo=ZONE)),
        ("zrepl_20261120_032502_000", datetime(2026, 11, 20, 3, 25, 2, tzinfo=UTC)),
        ("@GMT-2026.11.20-03.25.02", datetime(2026, 11, 20, 3, 25, 2, tzinfo=UTC)),
        ("GMT+02-2026.11.20-03.25.02", datetime(2026, 11, 20, 3, 25, 2, tzinfo=ZONE)),
        ("nightly.2026-11-20", datetime(2026, 11, 20, tzinfo=ZONE)),
        ("20261120T0325", datetime(2026, 11, 20, 3, 25, tzinfo=ZONE)),
        ("before-the-move", None),
        ("2026-13-20", None),
        ("v1.2.3", None),
        ("120261120", None),
    ],
)
def test_times_in_names(name: str, taken: datetime | None) -> None:
    assert snapshot_time(name, ZONE) == taken


@given(st.text(max_size=40))
def test_any_name(name: str) -> None:
    taken = snapshot_time(name, ZONE)
    assert taken is None or taken.tzinfo is not None


@pytest.mark.parametrize(
    ("text", "when"),
    [
        ("now", NOW),
        ("yesterday", datetime(2026, 11, 26, 23, 59, 59, 999999, tzinfo=ZONE)),
        ("3 days ago", NOW - timedelta(days=3)),
        ("1 hour ago", NOW - timedelta(hours=1)),
        ("90  minutes ago", NOW - timedelta(minutes=90)),
        ("2 weeks ago", NOW - timedelta(weeks=2)),
        ("2026-11-20", datetime(2026, 11, 20, 23, 59, 59, 999999, tzinfo=ZONE)),
        ("2026-11-20T03:17", datetime(2026, 11, 20, 3, 17, tzinfo=ZONE)),
        ("2026-11-20 03:17:05", datetime(2026, 11, 20, 3, 17, 5, tzinfo=ZONE)),
        ("2026-11-20T03:17Z", datetime(2026, 11, 20, 3, 17, tzinfo=UTC)),
        ("tomorrow", None),
        ("", None),
    ],
)
def test_times_that_a_person_writes(text: str, when: datetime | None) -> None:
    assert parse_when(text, NOW) == when


def snapshots(*names: str) -> list[Snapshot]:
    return [Snapshot(name, f"/s/{name}", snapshot_time(name, ZONE)) for name in names]


def test_the_last_one_before_a_time() -> None:
    found = snapshots("d-2026-11-20", "d-2026-11-22", "manual", "d-2026-11-21")
    names = [snapshot.name for snapshot in newest_first(found)]
    assert names == ["d-2026-11-22", "d-2026-11-21", "d-2026-11-20", "manual"]
    assert find_snapshot(found, "2026-11-21", NOW).name == "d-2026-11-21"
    assert find_snapshot(found, "yesterday", NOW).name == "d-2026-11-22"
    assert find_snapshot(found, "manual", NOW).name == "manual"


@pytest.mark.parametrize(
    ("names", "at", "cure"),
    [
        (["d-2026-11-20"], "2026-11-19", "the oldest is d-2026-11-20"),
        (["manual"], "yesterday", "no name of a snapshot has a time"),
        ([], "yesterday", "set snapshots in"),
        (["d-2026-11-20"], "whenever", "3 days ago"),
    ],
)
def test_none_is_old_enough(names: list[str], at: str, cure: str) -> None:
    with pytest.raises(UsageError, match=cure):
        find_snapshot(snapshots(*names), at, NOW)

"""The contents of a repo in the last days, and the part of them that may be lost."""

from __future__ import annotations

from dataclasses import replace

import pytest

from repoman_tasks.errors import Refused
from repoman_tasks.planning.mirror.baseline import (
    Anchor,
    Baseline,
    Contents,
    baseline_text,
    check_contents,
    check_overwritten,
    has_in_common,
    needs_copy,
    parse_baseline,
    with_sync,
)

FULL = Contents(files=400, filled=300, content=3_000_000)
NAMES = tuple(range(100))
KNOWN = with_sync(Baseline("00"), "2026-03-01", FULL, NAMES, 400)


def check(
    now: Contents, baseline: Baseline = KNOWN, today: str = "2026-03-10", still: int = 100
) -> None:
    found = frozenset(range(still))
    check_contents("isurus", "/r/isurus", now, found, baseline, today, 0.5)


@pytest.mark.parametrize(
    "now",
    [
        FULL,
        replace(FULL, files=200),
        replace(FULL, filled=150),
        replace(FULL, content=1_500_000),
    ],
)
def test_what_may_go(now: Contents) -> None:
    check(now)


@pytest.mark.parametrize(
    "now",
    [
        replace(FULL, files=199),
        replace(FULL, filled=149),
        replace(FULL, content=1_400_000),
    ],
)
def test_what_may_not_go_unless_it_is_long_ago(now: Contents) -> None:
    with pytest.raises(Refused, match="in the last 14 days"):
        check(now)
    with pytest.raises(Refused):
        check(now, today="2027-01-01")  # the last sync always counts
    later = with_sync(KNOWN, "2026-03-20", now, NAMES, 400)
    check(now, later, "2026-03-20")


def test_a_loss_on_each_day_is_noticed() -> None:
    half = Contents(files=204, filled=153, content=1_530_000)
    check(half)
    noted = with_sync(KNOWN, "2026-03-02", half, NAMES, 200)
    with pytest.raises(Refused):
        check(Contents(files=104, filled=78, content=780_000), noted)


def test_a_day_keeps_the_best_of_it() -> None:
    noted = with_sync(KNOWN, "2026-03-01", Contents(files=1), NAMES, 1)
    assert noted.best("2026-03-01") == FULL


def test_few_files_may_go_and_all_may_not() -> None:
    small = with_sync(Baseline("00"), "2026-03-01", Contents(20, 10, 900), NAMES[:10], 10)
    check(Contents(20, 1, 100), small, still=1)
    with pytest.raises(Refused, match="0 files that are not empty"):
        check(Contents(20, 0, 0), small)


def test_names_that_others_took_the_place_of() -> None:
    check(FULL, still=41)
    with pytest.raises(Refused, match="holds 39 % of the files that it had"):
        check(FULL, still=39)
    few = replace(KNOWN, anchors=(Anchor("2026-03-01", 90, NAMES),))
    check(FULL, few, still=0)
    check(FULL, with_sync(KNOWN, "2026-03-15", FULL, NAMES, 400), "2026-03-15", still=100)


def test_an_anchor_each_week() -> None:
    known = KNOWN
    for day in range(2, 31):
        known = with_sync(known, f"2026-03-{day:02}", FULL, [day], 400)
    assert [anchor.day for anchor in known.anchors] == ["2026-03-22", "2026-03-29"]
    assert len(known.days) == 14


def test_files_that_are_overwritten_on_several_days() -> None:
    def overwrite(count: int, baseline: Baseline) -> None:
        check_overwritten("isurus", "/r", count, baseline, "2026-03-02", 0.5)

    overwrite(150, KNOWN)
    with pytest.raises(Refused, match="151 files of 300"):
        overwrite(151, KNOWN)
    noted = with_sync(KNOWN, "2026-03-01", replace(FULL, overwritten=140), NAMES, 400)
    overwrite(20, noted)
    with pytest.raises(Refused):
        overwrite(21, noted)


def test_contents_that_have_something_in_common() -> None:
    text = b"".join(b"def function_%d(argument):\n    return %d\n" % (n, n * n) for n in range(50))
    assert has_in_common(text, text.replace(b"    ", b"\t").replace(b"\n", b"\r\n"))
    assert has_in_common(text, text[: len(text) // 2])
    assert has_in_common(text, b"x" * 5000 + text)
    assert not has_in_common(text, b"something else altogether\n" * 50)
    assert not has_in_common(text, b"")
    assert has_in_common(b"", b"x")
    assert has_in_common(b"1.2.3\n", b"1.2.4\n"), "too short to tell"
    assert not has_in_common(b"1.2.3\n", b"\n")


def test_a_baseline_that_was_written_is_read() -> None:
    known = replace(KNOWN, copied=FULL)
    assert parse_baseline(baseline_text(known)) == known


@pytest.mark.parametrize(
    "data",
    [b"", b"{}", b"[]", b"\xff", baseline_text(KNOWN)[:-9]]
    + [baseline_text(KNOWN).replace(*pair) for pair in ((b"2026-03-01", b"x"), (b'"00"', b"7"))],
)
def test_a_baseline_of_another_form(data: bytes) -> None:
    assert parse_baseline(data) is None


def test_when_the_copy_on_the_share_is_written() -> None:
    copied = replace(KNOWN, copied=FULL)
    assert needs_copy(Baseline("00"), KNOWN, "2026-03-01")
    assert not needs_copy(copied, copied, "2026-03-01")
    more = with_sync(copied, "2026-03-02", replace(FULL, filled=331), NAMES, 400)
    assert needs_copy(copied, more, "2026-03-02")
    anchored = with_sync(copied, "2026-03-08", FULL, NAMES, 400)
    assert needs_copy(copied, anchored, "2026-03-08")

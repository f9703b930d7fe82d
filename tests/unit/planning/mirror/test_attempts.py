"""The records of attempts, and for how long they count."""

from __future__ import annotations

from dataclasses import replace

import pytest

from repoman_tasks.errors import ExitCode, Refused
from repoman_tasks.model import Failure, Project
from repoman_tasks.planning.mirror.attempts import (
    INTERRUPTIONS,
    begin,
    killed,
    noted,
    outcome_record,
    records_in,
    records_text,
    reportable,
    restored,
    without_older,
)
from repoman_tasks.planning.mirror.known_mirrors import Mirrors
from repoman_tasks.planning.mirror.sync_plan import Counts, Outcome

FIRST, SECOND, THIRD = (f"2026-04-28T2{hour}:00:00Z" for hour in range(3))
EMPTY = Failure(FIRST, 6, "it is empty", "restore it")
PROJECT = Project("isurus", "isurus", created="2026-01-01T00:00:00Z")


def ended(code: ExitCode, at: str, *, busy: bool = False) -> Outcome:
    return Outcome("isurus", code, "it broke", "mend it", ended_at=at, busy=busy)


def after(*outcomes: Outcome, before: Failure | None = EMPTY) -> Failure | None:
    """Return the failure that is known after `outcomes`, one run each."""
    known = Mirrors(failures={"isurus": before} if before else {})
    for outcome in outcomes:
        known = noted(known, [outcome])
    return known.failures.get("isurus")


def test_failures_count_until_one_succeeds() -> None:
    failed = ended(ExitCode.SOME_FAILED, SECOND)
    assert after(failed) == Failure(SECOND, 4, "it broke", "mend it", 2)
    assert after(failed, failed) == Failure(SECOND, 4, "it broke", "mend it", 3)
    assert after(ended(ExitCode.OK, SECOND)) is None
    assert after(ended(ExitCode.OK, SECOND), ended(ExitCode.SOME_FAILED, THIRD)) == Failure(
        THIRD, 4, "it broke", "mend it"
    )


def test_an_interruption_hides_no_refusal() -> None:
    interrupted = ended(ExitCode.INTERRUPTED, SECOND)
    assert after(interrupted) == replace(EMPTY, times=2)
    assert after(interrupted, before=None) == Failure(SECOND, 130, "it broke", "mend it")


def test_another_sync_that_was_running_is_no_attempt() -> None:
    assert after(ended(ExitCode.SOME_FAILED, SECOND, busy=True)) == EMPTY


@pytest.mark.parametrize(
    ("project", "failure", "expected"),
    [
        pytest.param(PROJECT, EMPTY, True, id="never mirrored"),
        pytest.param(replace(PROJECT, last_sync="2026-04-28T19:00:00Z"), EMPTY, True, id="newer"),
        pytest.param(replace(PROJECT, last_sync="2026-04-28T21:00:00Z"), EMPTY, False, id="older"),
        pytest.param(replace(PROJECT, created=SECOND), EMPTY, False, id="of another project"),
        pytest.param(replace(PROJECT, backup=False), EMPTY, False, id="no backup"),
        pytest.param(PROJECT, replace(EMPTY, code=130), False, id="interrupted once"),
        pytest.param(PROJECT, replace(EMPTY, code=130, times=3), True, id="interrupted often"),
    ],
)
def test_what_a_person_should_know(project: Project, failure: Failure, expected: bool) -> None:
    assert (reportable(project, {"isurus": failure}) is failure) is expected


def test_a_restore_does_what_a_failure_advised() -> None:
    known = Mirrors(failures={"isurus": EMPTY})
    assert restored(known, "isurus").failures == {"isurus": replace(EMPTY, cure="")}
    assert restored(known, "lamna") == known


def test_records_come_back_newest_first() -> None:
    failed = Outcome("a", counts=Counts(new=1, bytes=7), seconds=0.12345, ended_at=FIRST)
    failed.fail(Refused("it is empty\n", "x" * 5000))
    first, second = (
        outcome_record("sync", failed),
        outcome_record("restore", ended(ExitCode(0), "")),
    )
    assert (first.exit, first.seconds, first.new, len(first.error)) == (6, 0.123, 1, 1000)
    assert "\\n" in first.error
    data = records_text([first]) + b'{"time": "cut sho' + records_text([second]) * 2
    assert records_in(data) == [second, first]


@pytest.mark.parametrize(
    "line", [b"", b"1", b"[]", b"{}", b"\xff", b"[" * 100_000, b'{"time": 1, "project": "a"}']
)
def test_what_is_no_record_is_left_out(line: bytes) -> None:
    record = outcome_record("sync", ended(ExitCode(0), FIRST))
    assert records_in(line + records_text([record]) + line) == [record]


def test_only_whole_lines_are_kept() -> None:
    assert without_older(b"aaa\nbbb\nccc\n", 6) == b"ccc\n"
    assert without_older(b"aaa\n", 6) == b"aaa\n"


# --- killed ------------------------------------------------------------------------------


def begun(known: Mirrors, at: str, *, over: bool = True) -> tuple[Mirrors, list[Outcome]]:
    return begin(known, ["isurus"], "1@2 desk", at, lambda run: over and run == "1@2 desk")


def test_a_sync_without_an_end_counts_as_an_interruption_when_the_next_begins() -> None:
    known, ends = begun(Mirrors(), FIRST)
    assert (ends, known.failures) == ([], {})
    for number in range(1, INTERRUPTIONS + 1):
        known, (end,) = begun(known, SECOND)
        assert (end.name, end.code) == ("isurus", ExitCode.INTERRUPTED)
        assert known.failures["isurus"].times == number
    assert reportable(PROJECT, known.failures)
    assert noted(known, [ended(ExitCode.OK, THIRD)]).failures == {}


def test_a_sync_that_noted_its_end_or_still_runs_was_not_killed() -> None:
    known, _ = begun(Mirrors(), FIRST)
    assert begun(known, SECOND, over=False)[1] == []
    assert killed(known, ["lamna"], lambda _: True) == []
    known = noted(known, [ended(ExitCode.SOME_FAILED, SECOND)])
    assert begun(known, THIRD)[1] == []
    known, _ = begun(Mirrors(), FIRST)
    known = noted(known, [ended(ExitCode.SOME_FAILED, SECOND, busy=True)])
    assert len(begun(known, THIRD)[1]) == 1, "that was another sync"

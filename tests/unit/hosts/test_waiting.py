"""Test the waits for a program and for a lock by a clock that the test moves."""

from __future__ import annotations

from threading import Event

import pytest

from repoman_tasks.errors import Interrupted
from repoman_tasks.hosts import processes
from repoman_tasks.hosts.base import Locked, Stalled, TimedOut
from tests.support.clocks import Clock
from tests.support.processes import WAIT_SECONDS


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(processes, "time", made)
    return made


def test_a_time_limit(clock: Clock) -> None:
    check = processes.deadline_check("x", 5)
    clock.now = 5
    check()
    clock.now = 5.01
    with pytest.raises(TimedOut, match="x did not answer within 5 s"):
        check()


def test_a_program_that_moves_is_not_stalled(clock: Clock) -> None:
    counters = iter([1, 2, 2])
    watch = processes.StallTimer(10, lambda: next(counters))
    heard = watch.counting(print)
    for clock.now in (9, 18, 27):
        watch.check()
        heard(b"x")
    for clock.now in (37, 47):  # the counters have changed twice
        watch.check()
    clock.now = 56.9
    watch.check()
    clock.now = 57
    with pytest.raises(Stalled, match="no progress for 10 s"):
        watch.check()


def test_without_a_limit_nothing_is_stalled(clock: Clock) -> None:
    watch = processes.StallTimer(0, lambda: 0)
    clock.now = 10**6
    watch.check()


def take_after(clock: Clock, seconds: float, tries: list[float]) -> str:
    """Take a lock that is free so many seconds from the beginning."""
    tries.append(clock.now)
    if clock.now < seconds:
        raise Locked("held by another process")
    return "taken"


def test_a_lock_is_tried_until_it_is_free(clock: Clock) -> None:
    tries: list[float] = []
    got = processes.wait_for_lock(
        lambda: take_after(clock, 3, tries), wait_seconds=60, pause=1, stopping=None
    )
    assert (got, tries) == ("taken", [0, 1, 2, 3])


def test_a_lock_is_tried_no_longer_than_told(clock: Clock) -> None:
    tries: list[float] = []
    with pytest.raises(Locked):
        processes.wait_for_lock(
            lambda: take_after(clock, 99, tries), wait_seconds=2, pause=1, stopping=None
        )
    assert tries == [0, 1, 2]


def test_a_lock_is_tried_once_where_nobody_waits(clock: Clock) -> None:
    tries: list[float] = []
    with pytest.raises(Locked):
        processes.wait_for_lock(
            lambda: take_after(clock, 99, tries), wait_seconds=0, pause=1, stopping=None
        )
    assert tries == [0]


def test_who_is_stopped_waits_no_more(clock: Clock) -> None:
    stopping, tries = Event(), list[float]()
    stopping.set()
    with pytest.raises(Interrupted):
        processes.wait_for_lock(
            lambda: take_after(clock, 99, tries), wait_seconds=60, pause=1, stopping=stopping
        )
    assert tries == [0]


def test_a_call_that_reports_nothing_is_told_but_not_over_a_prompt(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(processes, "_TOLD_SECONDS", 0)
    waits, told, heard = processes.Waits(), list[str](), Event()

    def listen(text: str) -> None:
        told.append(text)
        heard.set()

    waits.listener = listen
    with waits.during("there"):
        assert heard.wait(WAIT_SECONDS)
        with waits.paused():
            assert told[-1] == ""
    assert told[0].startswith("waiting for there, ")
    assert told[-1] == ""

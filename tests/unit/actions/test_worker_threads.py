"""Several projects at the same time: who prints, who asks, who goes on, who is stopped."""

from __future__ import annotations

import gc
import os
import signal
import threading
from collections.abc import Callable, Iterator

import pytest

from repoman_tasks.actions.several_projects import Turn, for_each
from repoman_tasks.errors import Failed, Interrupted
from repoman_tasks.hosts.local import LocalHost
from repoman_tasks.hosts.signals import take_signals
from repoman_tasks.planning.prompts import GO_AHEAD
from repoman_tasks.session import Session
from repoman_tasks.terminal.prompter import Prompter
from repoman_tasks.terminal.screen import Screen

NAMES = [f"p{number}" for number in range(10)]
SECONDS = 120.0
"""Only ends a hung test."""


class Answering(Prompter):
    """A person who gives the same answer to all questions."""

    def __init__(self, answer: str) -> None:
        super().__init__("update", yes=False, no_input=False)
        self._terminal = True
        self.answer = answer
        self.asked_by: list[threading.Thread] = []

    def _line(self, question: str) -> str:  # noqa: ARG002
        self.asked_by.append(threading.current_thread())
        return self.answer


def run(
    change: Callable[[Session, str], None], prompter: Prompter | None = None, count: int = 10
) -> None:
    """Call `change` for each name as a command does."""
    prompter = prompter or Prompter("update", yes=True, no_input=True)
    session = Session(LocalHost(), prompter, Screen())
    for_each(session, NAMES[:count], change, "did not start", "start", ["--force"])


def test_several_at_once_but_not_all() -> None:
    four, running, most = threading.Barrier(4), set[str](), list[int]()

    def change(_: Session, name: str) -> None:
        running.add(name)
        most.append(len(running))
        four.wait(SECONDS)
        running.discard(name)

    run(change, count=8)
    assert max(most) <= 4


def test_a_line_for_each_in_their_order(capsys: pytest.CaptureFixture[str]) -> None:
    last = threading.Event()

    def change(session: Session, name: str) -> None:
        session.screen.line(f"done: start {name}")
        if name == "p0":
            assert last.wait(SECONDS)
            session.screen.line(f"done: change {name}")
            session.screen.note(f"a note on {name}")
        if name == NAMES[-1]:
            last.set()

    run(change)
    said = capsys.readouterr()
    others = [f"done: start {name}" for name in NAMES[1:]]
    assert said.out.splitlines() == ["done: start p0; change p0", *others]
    assert said.err == "a note on p0\n"


def test_the_others_are_done_if_some_fail(capsys: pytest.CaptureFixture[str]) -> None:
    def change(session: Session, name: str) -> None:
        if name in ("p1", "p3"):
            raise Failed("no room", "make room")
        session.screen.line(name)

    with pytest.raises(Failed, match=r"2 of 10 did not start") as caught:
        run(change)
    assert "`repoman start p1 p3 --force`" in str(caught.value)
    said = capsys.readouterr()
    assert said.out.split() == [name for name in NAMES if name not in ("p1", "p3")]
    assert said.err.splitlines() == [f"{name}: no room: make room" for name in ("p1", "p3")]


def test_an_error_of_the_program_is_not_lost() -> None:
    def change(_: Session, name: str) -> None:
        if name == "p2":
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run(change)


def test_the_main_thread_asks_after_what_was_said(capsys: pytest.CaptureFixture[str]) -> None:
    prompter = Answering("y")

    def change(session: Session, name: str) -> None:
        session.screen.note(f"would {name}")
        assert session.prompter.possible
        assert session.prompter.confirm(GO_AHEAD, default=True)
        session.screen.note(f"did {name}")

    run(change, prompter)
    assert prompter.asked_by == [threading.main_thread()] * len(NAMES)
    said = capsys.readouterr().err.splitlines()
    assert sorted(said) == sorted([f"{verb} {name}" for name in NAMES for verb in ("would", "did")])


def test_no_begins_no_more_of_them(capsys: pytest.CaptureFixture[str]) -> None:
    begun, four = list[str](), threading.Barrier(4)

    def change(session: Session, name: str) -> None:
        begun.append(name)
        four.wait(SECONDS)
        if name == "p0" and not session.prompter.confirm(GO_AHEAD, default=True):
            raise Interrupted(session.prompter.outcome)
        session.screen.line(name)

    with pytest.raises(Interrupted, match="nothing more was changed"):
        run(change, Answering("n"), count=4)
    assert sorted(begun) == NAMES[:4]
    assert capsys.readouterr().out.split() == ["p1", "p2", "p3"], "those that run may end"


@pytest.fixture
def _no_collector() -> Iterator[None]:
    """Stop the collector: an exception in a callback of it, as Hypothesis has one, is lost."""
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("_no_collector")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_those_that_run(
    number: signal.Signals, capsys: pytest.CaptureFixture[str]
) -> None:
    begun, four = list[str](), threading.Barrier(4)

    def change(session: Session, name: str) -> None:
        begun.append(name)
        if four.wait(SECONDS) == 0:
            os.kill(os.getpid(), number)
        session.host.read(["sleep", "600"], timeout=600)

    with take_signals(), pytest.raises(KeyboardInterrupt):
        run(change)
    assert len(begun) == 4
    said = capsys.readouterr().err.splitlines()
    assert sorted(said) == sorted(f"{name}: interrupted" for name in begun)


def test_a_turn_is_taken_by_one_at_a_time() -> None:
    common, inside = threading.Lock(), list[str]()

    def change(session: Session, name: str) -> None:
        with Turn(session, common) as turn:
            assert turn.take()
            assert not turn.take(), "it has it already"
            inside.append(name)
            assert inside == [name]
            inside.remove(name)

    run(change)
    assert not common.locked()
    with Turn(Session(LocalHost(), Answering(""), Screen()), None) as alone:
        assert not alone.take()


def test_waiting_for_a_turn_ends_with_a_signal() -> None:
    common = threading.Lock()
    session = Session(LocalHost(), Answering(""), Screen())
    session.host.stopping.set()
    with common, pytest.raises(Interrupted), Turn(session, common) as turn:
        turn.take()
    assert not common.locked()

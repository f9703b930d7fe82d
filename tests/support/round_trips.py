"""Counting how often a command waits for the other side, which on a slow line is all it does."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from unittest import mock
from weakref import WeakKeyDictionary

from repoman_tasks.commands import collection
from repoman_tasks.hosts.local import LocalHost
from repoman_tasks.hosts.ssh.answers import Answer
from repoman_tasks.hosts.ssh.fabric_transport import FabricLine
from repoman_tasks.hosts.ssh.remote_host import RemoteHost
from repoman_tasks.hosts.ssh.shells import Check, Shell
from repoman_tasks.hosts.ssh.transport import Line
from repoman_tasks.model import Address
from repoman_tasks.session import Session
from repoman_tasks.terminal.prompter import Prompter
from repoman_tasks.terminal.screen import Recorder
from tests.support.ssh_estate import FarEstate

__all__ = ["trips_of"]


def trips_of(far: FarEstate, command: str, **arguments: object) -> int:
    """Round trips of a command on the other side, which ends well, after the handshake."""
    with _line_to(far) as line, _counted() as clock:
        task = collection().tasks[command]
        host = RemoteHost("there", line, holds=task.holds)
        session = Session(host, Prompter(command, yes=False, no_input=True), Recorder())
        session.given, session.expected = arguments, task.expected
        with session.stack:
            for pre_task in task.pre:
                session.of(pre_task)
            assert not task(session, **arguments)
        return clock.trips


@contextmanager
def _line_to(far: FarEstate) -> Iterator[Line]:
    """A line by Fabric; the other one waits once more for each program that it starts."""
    far.sshd.let_in(far.environ)
    line = FabricLine(Address("there"), LocalHost(far.here), None)
    try:
        yield line
    finally:
        line.close()


class _Clock:
    """A clock of round trips: a question takes one tick, and those at the same time the same.

    To start a shell takes two: for its session, and for its command.
    """

    def __init__(self) -> None:
        self.trips = 0
        self._ready: WeakKeyDictionary[Shell, int] = WeakKeyDictionary()
        self._due: WeakKeyDictionary[Shell, deque[int]] = WeakKeyDictionary()

    def start(self, shell: Shell, answers: int) -> None:
        """It is started now, and says something so many times by itself."""
        self._ready[shell] = self.trips + 2
        self._due[shell] = deque([self._ready[shell]] * answers)

    def prompter(self, shell: Shell, questions: int) -> None:
        """It is asked so much now."""
        due = max(self.trips, self._ready[shell]) + 1
        self._due[shell].extend([due] * questions)

    def come(self, shell: Shell) -> None:
        """An answer of it has come; each comes no earlier than a trip after it was asked for."""
        self.trips = max(self.trips, self._due[shell].popleft())


@contextmanager
def _counted() -> Iterator[_Clock]:
    """A clock for the shells that are started meanwhile."""
    clock = _Clock()
    start, send, answer, follow = Shell.__init__, Shell.send, Shell.answer, Shell.follow

    def started(shell: Shell, line: Line, *, first: bool = False) -> None:
        clock.start(shell, 2 if first else 1)
        start(shell, line, first=first)

    def sent(shell: Shell, *calls: Sequence[str]) -> None:
        clock.prompter(shell, len(calls))
        send(shell, *calls)

    def answered(shell: Shell, check: Check = lambda: None) -> Answer:
        brought = answer(shell, check)
        clock.come(shell)
        return brought

    def followed(shell: Shell, *argv: str, **how: Callable[..., object]) -> str:
        end = follow(shell, *argv, **how)  # type: ignore[arg-type]
        clock.come(shell)
        return end

    with (
        mock.patch.object(Shell, "__init__", started),
        mock.patch.object(Shell, "send", sent),
        mock.patch.object(Shell, "answer", answered),
        mock.patch.object(Shell, "follow", followed),
    ):
        yield clock

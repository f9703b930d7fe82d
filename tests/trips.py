"""Counting how often a command waits for the other side, which on a slow line is all it does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

from repoman_tasks.ask import Ask
from repoman_tasks.model import Address
from repoman_tasks.namespace import commands
from repoman_tasks.remote.fabric_line import FabricLine
from repoman_tasks.remote.host import RemoteHost
from repoman_tasks.remote.wire import Line, Wire
from repoman_tasks.report import Recorder
from repoman_tasks.session import Session
from tests.far import FarEstate

__all__ = ["trips_of"]


def trips_of(far: FarEstate, command: str, **arguments: object) -> int:
    """Round trips of a command on the other side, which ends well, after the handshake."""
    with _line_to(far) as line:
        task = commands().tasks[command]
        host = RemoteHost("there", line, holds=task.holds)
        session = Session(host, Ask(command, yes=False, no_input=True), Recorder())
        session.expected = task.pre
        with session.stack:
            for pre_task in task.pre:
                session.of(pre_task)
            assert not task(session, **arguments)
        return line.trips


@contextmanager
def _line_to(far: FarEstate) -> Iterator[CountedLine]:
    """A line by Fabric; the other one waits once more for each program that it starts."""
    far.sshd.let_in(far.environ)
    with mock.patch.dict("os.environ", HOME=str(far.laptop)):
        line = CountedLine(FabricLine(Address("there"), None))
        try:
            yield line
        finally:
            line.close()


class CountedLine(Line):
    """A line with a clock of round trips: each takes one tick, and those at the same time the same.

    To start a program takes two: for its session, and for its command.
    """

    def __init__(self, line: Line) -> None:
        self._line = line
        self.trips = 0

    def start(self, command: str) -> Wire:
        begun = self.trips
        return CountedWire(self, self._line.start(command), begun + 2)

    def hand_over(self, command: str) -> int:
        return self._line.hand_over(command)

    def close(self) -> None:
        self._line.close()


class CountedWire(Wire):
    """A wire whose answers come no earlier than a round trip after they were asked for."""

    def __init__(self, line: CountedLine, wire: Wire, ready: int) -> None:
        self._line, self._wire, self._due = line, wire, ready

    def send(self, data: bytes) -> None:
        self._due = max(self._due, self._line.trips) + 1
        self._wire.send(data)

    def receive(self, seconds: float) -> tuple[bytes, bytes]:
        came = self._wire.receive(seconds)
        if any(came):
            self._line.trips = max(self._line.trips, self._due)
        return came

    def close(self) -> None:
        self._wire.close()

"""How often a command waits for the other side, which on a slow line is all that it does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from repoman_tasks.ask import Ask
from repoman_tasks.checks import containers, reconcile
from repoman_tasks.commands.list import list_
from repoman_tasks.model import Address
from repoman_tasks.remote.fabric_line import FabricLine
from repoman_tasks.remote.host import RemoteHost
from repoman_tasks.remote.wire import Line, Wire
from repoman_tasks.report import Recorder
from repoman_tasks.session import Session
from tests.far import FarEstate


class Counted(Wire):
    """A wire that counts what is sent and waited for."""

    def __init__(self, line: CountedLine, wire: Wire) -> None:
        self._line, self._wire = line, wire

    def send(self, data: bytes) -> None:
        self._line.trips += 1
        self._wire.send(data)

    def receive(self, seconds: float) -> tuple[bytes, bytes]:
        return self._wire.receive(seconds)

    def close(self) -> None:
        self._wire.close()


class CountedLine(Line):
    """A line that counts round trips: two to start a program, one for each request."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self.trips = 0

    def start(self, command: str) -> Wire:
        self.trips += 2
        return Counted(self, self._line.start(command))

    def hand_over(self, command: str) -> int:
        return self._line.hand_over(command)

    def close(self) -> None:
        self._line.close()


@pytest.fixture
def line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[CountedLine]:
    with FarEstate(tmp_path) as far:
        far.prepare(*(f"p{number}" for number in range(20)))
        far.sshd.let_in(far.environ)
        monkeypatch.setenv("HOME", str(far.laptop))
        made = CountedLine(FabricLine(Address("there"), None))
        yield made
        made.close()


def test_a_list_of_twenty_projects_takes_four(line: CountedLine) -> None:
    session = Session(RemoteHost("there", line), Ask("list", yes=False, no_input=True), Recorder())
    for pre_task in (reconcile, containers):
        session.of(pre_task)
    list_(session)
    assert isinstance(session.screen, Recorder)
    assert len(session.screen.tables[0][1]) == 20
    assert line.trips <= 4

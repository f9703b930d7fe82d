"""How often a command waits for the other side, which on a slow line is all that it does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from repoman_tasks.ask import Ask
from repoman_tasks.model import Address
from repoman_tasks.namespace import commands
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
def transport() -> str:
    """One alone; the other one waits once more for each program that it starts beside the first."""
    return "fabric"


@pytest.fixture
def line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[CountedLine]:
    with FarEstate(tmp_path) as far:
        far.prepare(*(f"p{number}" for number in range(20)))
        far.run("sync", code=0)
        far.sshd.let_in(far.environ)
        monkeypatch.setenv("HOME", str(far.laptop))
        made = CountedLine(FabricLine(Address("there"), None))
        yield made
        made.close()


@pytest.mark.parametrize(
    ("command", "most"), [("list", 4), ("status", 9), ("sync", 23)], ids=lambda value: str(value)
)
def test_round_trips_where_there_is_nothing_to_do(
    line: CountedLine, command: str, most: int
) -> None:
    """Of twenty projects; of two they are as many."""
    session = Session(RemoteHost("there", line), Ask(command, yes=False, no_input=True), Recorder())
    task = commands().tasks[command]
    with session.stack:
        for pre_task in task.pre:
            session.of(pre_task)
        assert not task(session, **({"jobs": 1} if command == "sync" else {}))
    print(f"{command}: {line.trips} round trips")
    assert line.trips <= most

"""The programs that carry a connection inside a container, each alone on PATH."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from repoman_tasks.hosts.local import LocalHost
from repoman_tasks.model import Person
from repoman_tasks.tools.guest import GuestHandle
from repoman_tasks.tools.guest_relay import NO_SERVER, NO_TOOL, relay_argv
from repoman_tasks.tools.incus import Incus
from tests.support.processes import WAIT_SECONDS

TOOLS = ("perl", "python3", "busybox")
DATA = bytes(range(256)) * 20_000
"""More than all buffers on the way hold together."""


class Relay:
    """A relay, and this end of its streams."""

    def __init__(self, programs: Path, port: int) -> None:
        person = Person("dev", 1000, 1000, "dev", "/home/dev", "/bin/sh")
        argv = relay_argv(GuestHandle(Incus(LocalHost(), "p"), "isurus", person), port, [])
        self.end, its = socket.socketpair()
        self.end.settimeout(WAIT_SECONDS)
        inner = argv[argv.index("--") + 1 :]
        with its:
            environ = {"PATH": str(programs)}
            self.process = subprocess.Popen(
                inner, stdin=its.fileno(), stdout=its.fileno(), env=environ
            )

    def read(self) -> bytes:
        """Return all that comes."""
        return b"".join(iter(lambda: self.end.recv(1 << 16), b""))

    def code(self) -> int:
        return self.process.wait(WAIT_SECONDS)


def find_programs(folder: Path, *names: str) -> Path:
    """Return a folder with links to these programs, and to those that all images have."""
    folder.mkdir()
    for name in ("sh", "sleep", "grep", *names):
        # A python3 on PATH may be a script that needs other programs.
        found = sys.executable if name == "python3" else str(shutil.which(name))
        (folder / name).symlink_to(Path(found).resolve())
    return folder


@pytest.fixture(params=TOOLS)
def programs(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    if not shutil.which(request.param):
        pytest.skip(f"not here: {request.param}")
    return find_programs(tmp_path / "programs", request.param)


@pytest.fixture(params=["127.0.0.1", "::1"])
def server(request: pytest.FixtureRequest) -> Iterator[socket.socket]:
    family = socket.AF_INET6 if ":" in request.param else socket.AF_INET
    with socket.create_server((request.param, 0), family=family) as server:
        server.settimeout(WAIT_SECONDS)
        yield server


def port_of(server: socket.socket) -> int:
    port: int = server.getsockname()[1]
    return port


def test_the_end_of_the_input_is_passed_on_and_the_answer_comes(
    programs: Path, server: socket.socket
) -> None:
    relay = Relay(programs, port_of(server))
    inside, _ = server.accept()
    with inside, relay.end:
        feeder = threading.Thread(target=relay.end.sendall, args=(DATA,))
        feeder.start()
        taken = b""
        while len(taken) < len(DATA):
            taken += inside.recv(1 << 16)
        feeder.join()
        relay.end.shutdown(socket.SHUT_WR)
        assert (taken, inside.recv(1)) == (DATA, b"")
        feeder = threading.Thread(target=inside.sendall, args=(DATA,))
        feeder.start()
        answer = b""
        while len(answer) < len(DATA):
            answer += relay.end.recv(1 << 16)
        feeder.join()
        inside.close()
        assert (answer, relay.read(), relay.code()) == (DATA, b"", 0)


@pytest.mark.parametrize("programs", ["perl", "python3"], indirect=True)
def test_no_direction_waits_for_the_other(programs: Path, server: socket.socket) -> None:
    """The server sends all before it reads. busybox can't do that: it stops at a blocked write."""
    relay = Relay(programs, port_of(server))
    inside, _ = server.accept()
    with inside, relay.end:
        feeder = threading.Thread(target=relay.end.sendall, args=(DATA,))
        feeder.start()
        sender = threading.Thread(target=inside.sendall, args=(DATA,))
        sender.start()
        answer = b""
        while len(answer) < len(DATA):
            answer += relay.end.recv(1 << 16)
        sender.join()
        taken = b""
        while len(taken) < len(DATA):
            taken += inside.recv(1 << 16)
        feeder.join()
        assert (answer, taken) == (DATA, DATA)
        inside.close()
        assert (relay.read(), relay.code()) == (b"", 0)


def test_it_ends_when_the_server_closes(programs: Path, server: socket.socket) -> None:
    relay = Relay(programs, port_of(server))
    inside, _ = server.accept()
    inside.sendall(b"bye")
    inside.close()
    with relay.end:
        assert (relay.read(), relay.code()) == (b"bye", 0)


def test_nobody_listens(programs: Path) -> None:
    with socket.socket() as bound:  # so that no other program listens on it meanwhile
        bound.bind(("127.0.0.1", 0))
        relay = Relay(programs, port_of(bound))
        with relay.end:
            assert (relay.read(), relay.code()) == (b"", NO_SERVER)


def test_there_is_no_program(tmp_path: Path) -> None:
    relay = Relay(find_programs(tmp_path / "programs"), 1)
    with relay.end:
        assert (relay.read(), relay.code()) == (b"", NO_TOOL)

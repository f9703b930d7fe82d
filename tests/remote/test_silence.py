"""A line on which everything is lost all at once, and nothing tells either side."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.remote.test_handed_over import HAND_OVER
from tests.remote.test_verbs import ENDED_WITHIN
from tests.support.estate import CHECKOUT
from tests.support.processes import running, until
from tests.support.ssh_estate import Sshd

SILENT_FOR = 3.0
"""Seconds after which each side has to give up here; 30 are too many for a test."""
SOON = """
from repoman_tasks.hosts.ssh import fabric_line, openssh_line
fabric_line._PULSE_SECONDS = 0.5
fabric_line._SILENCE_SECONDS = 3.0
openssh_line._OPTIONS["ServerAliveInterval"] = "1"
"""
CALLS = {
    "hand_over": "host.hand_over(sys.argv[2:])",
    "stream": "host.stream(sys.argv[2:], print, print)",
}
ALIVE = ("ClientAliveInterval 1", "ClientAliveCountMax 2")


class Cable:
    """A network namespace with a host in it, and the cable to it. It is a context manager."""

    def __init__(self) -> None:
        number = os.getpid() % 250 + 1  # each worker of pytest has one
        self.address = f"10.213.{number}.2"
        self._host = subprocess.Popen(["unshare", "--net", "sleep", "infinity"])
        self.inside = ["nsenter", "--net", f"--target={self._host.pid}"]
        there = Path(f"/proc/{self._host.pid}/ns/net")
        until(lambda: os.readlink(there) != os.readlink("/proc/self/ns/net"), 5)
        self._ends = ends = (f"rmc{number}a", f"rmc{number}b")
        _run("ip", "link", "add", ends[0], "type", "veth", "peer", "name", ends[1])
        _run("ip", "link", "set", ends[1], "netns", str(self._host.pid))
        for before, end, address in ((), ends[0], 1), (self.inside, ends[1], 2):
            _run(*before, "ip", "address", "add", f"10.213.{number}.{address}/24", "dev", end)
            _run(*before, "ip", "link", "set", end, "up")

    def lose_all(self) -> None:
        """Drop each packet, both ways."""
        _run(*self.inside, "nft", "add table inet silence")
        for hook in ("input", "output"):
            chain = f"{{ type filter hook {hook} priority 0; policy drop; }}"
            _run(*self.inside, "nft", f"add chain inet silence {hook} {chain}")

    def __enter__(self) -> Cable:
        return self

    def __exit__(self, *error: object) -> None:
        _run("ip", "link", "delete", self._ends[0])
        self._host.kill()
        self._host.wait()


def _run(*argv: str) -> None:
    subprocess.run(argv, check=True)


@pytest.fixture
def cable() -> Iterator[Cable]:
    with Cable() as made:
        yield made


@pytest.fixture
def sshd(cable: Cable, tmp_path: Path) -> Iterator[Sshd]:
    """An sshd at the far end, which the `ssh` of this test knows as `there`."""
    with Sshd(tmp_path, *ALIVE, address=cable.address, before=cable.inside) as made:
        ssh = Path(os.environ["HOME"]) / ".ssh"
        (ssh / "known_hosts").write_text(made.known())
        (ssh / "config").write_text(made.stanza("there"))
        yield made


@pytest.mark.usefixtures("sshd")
@pytest.mark.parametrize("verb", CALLS)
def test_both_sides_give_up(cable: Cable, transport: str, marker: str, verb: str) -> None:
    script = SOON + HAND_OVER.replace("host.hand_over(sys.argv[2:])", CALLS[verb])
    argv = [sys.executable, "-c", script, transport, "sleep", marker]
    environ = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
    process = subprocess.Popen(argv, env=environ, stderr=subprocess.PIPE)
    until(lambda: len(running(marker)) >= 2, 20)
    there = set(running(marker)) - {process.pid}
    cable.lose_all()
    _, err = process.communicate(timeout=20)
    assert (process.returncode, err.count(b"\n")) == (1, 1), err
    assert b"the connection broke" in err
    until(lambda: not there & set(running(marker)), SILENT_FOR + ENDED_WITHIN)

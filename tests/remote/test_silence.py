"""A line on which all packets are lost at once, so that neither side is notified."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.remote.test_handed_over import CALLS, HAND_OVER
from tests.support.estate import CHECKOUT
from tests.support.processes import WAIT_SECONDS, find_processes, find_sleeps, wait_until
from tests.support.ssh_estate import Sshd

SOON = """
from repoman_tasks.hosts.ssh import fabric_transport, openssh_transport
fabric_transport._PULSE_SECONDS = 1.0
fabric_transport._SILENCE_SECONDS = 6.0
openssh_transport._OPTIONS["ServerAliveInterval"] = "2"
"""
"""Each side has to give up soon; half a minute is too long for a test."""
ALL_CALLS = {**CALLS, "stream": "host.stream(sys.argv[2:], print, print)"}
ALIVE = ("ClientAliveInterval 2", "ClientAliveCountMax 2")


class Cable:
    """A network namespace with a host in it, and the cable to it. A context manager."""

    def __init__(self) -> None:
        self._host = subprocess.Popen(["unshare", "--net", "sleep", "infinity"])
        self.inside = ["nsenter", "--net", f"--target={self._host.pid}"]
        there = Path(f"/proc/{self._host.pid}/ns/net")
        wait_until(lambda: os.readlink(there) != os.readlink("/proc/self/ns/net"))
        number = next(filter(_plugged, range(1, 250)))
        self.address = f"10.213.{number}.2"
        self._ends = ends = _ends(number)
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


def _ends(number: int) -> tuple[str, str]:
    return f"rmc{number}a", f"rmc{number}b"


def _plugged(number: int) -> bool:
    """Create the cable of that number; return False if another test has it."""
    one, other = _ends(number)
    add = ["ip", "link", "add", one, "type", "veth", "peer", "name", other]
    return subprocess.run(add, stderr=subprocess.DEVNULL, check=False).returncode == 0


def _run(*argv: str) -> None:
    subprocess.run(argv, check=True)


@pytest.fixture
def cable() -> Iterator[Cable]:
    with Cable() as made:
        yield made


@pytest.fixture
def sshd(cable: Cable, tmp_path: Path) -> Iterator[Sshd]:
    """Yield an sshd at the far end, which the `ssh` of this test knows as `there`."""
    with Sshd(tmp_path, *ALIVE, address=cable.address, prefix=cable.inside) as made:
        ssh = Path(os.environ["HOME"]) / ".ssh"
        (ssh / "known_hosts").write_text(made.known_hosts_line())
        (ssh / "config").write_text(made.config_stanza("there"))
        yield made


@pytest.mark.usefixtures("sshd")
@pytest.mark.parametrize("verb", ALL_CALLS)
def test_both_sides_give_up(cable: Cable, transport: str, marker: str, verb: str) -> None:
    script = SOON + HAND_OVER.replace("CALL", ALL_CALLS[verb])
    argv = [sys.executable, "-c", script, transport, "sleep", marker]
    environ = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
    process = subprocess.Popen(argv, env=environ, stderr=subprocess.PIPE)
    wait_until(lambda: find_sleeps(marker))
    there = set(find_processes(marker)) - {process.pid}
    cable.lose_all()
    _, err = process.communicate(timeout=WAIT_SECONDS)
    assert (process.returncode, err.count(b"\n")) == (1, 1), err
    assert b"the connection broke" in err
    wait_until(lambda: not there & set(find_processes(marker)))

"""The SSH agent of the user is lent for one session, on request."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator

import pytest

from tests.containers.conftest import ContainerEstate
from tests.support.processes import WAIT_SECONDS, wait_until

ASK = r"""
use IO::Socket::UNIX;
my $agent = IO::Socket::UNIX->new(Peer => $ENV{SSH_AUTH_SOCK}) or die "no agent: $!";
print $agent pack("NC", 1, 11); my $said; sysread($agent, $said, 300);
printf "%d\n", unpack("x4 C", $said);
"""
"""Asks an agent for its keys (SSH agent protocol, message 11); 12 is the list of them."""
FLAG = "--forward-agent"


@pytest.fixture
def agent(estate: ContainerEstate) -> Iterator[ContainerEstate]:
    """Return an estate with a project, and run an agent on this host."""
    socket = f"/tmp/agent-{os.getpid()}-{time.monotonic_ns()}"
    process = subprocess.Popen(["ssh-agent", "-D", "-a", socket], stdout=subprocess.DEVNULL)
    wait_until(lambda: os.path.exists(socket))
    estate.environ["SSH_AUTH_SOCK"] = socket
    if "isurus" not in estate.projects():
        estate.new("isurus", "--image", "debian")
    yield estate
    process.terminate()
    process.wait()


def proxies(estate: ContainerEstate) -> str:
    return estate.incus("project", "get", estate.project, "restricted.devices.proxy").out.strip()


def lent(estate: ContainerEstate) -> list[str]:
    return [name for name in estate.instances()["isurus"]["devices"] if name.startswith("agent-")]


@pytest.mark.shared
def test_the_agent_is_lent_for_one_session_on_request(agent: ContainerEstate) -> None:
    for command in ("shell", "exec"):
        done = agent.run(command, "isurus", "--", "sh", "-c", 'echo "[$SSH_AUTH_SOCK]"', code=0)
        assert done.out == "[]\n"
    done = agent.run("shell", "isurus", FLAG, "--", "perl", "-e", ASK)
    assert (done.code, done.out) == (0, "12\n"), done
    assert lent(agent) == []
    assert proxies(agent) == "block"
    assert "agent" not in agent.exec_inside("isurus", "ls", "/run").out
    assert agent.findings() == {}
    del agent.environ["SSH_AUTH_SOCK"]
    assert "no SSH agent" in agent.run("shell", "isurus", FLAG, code=2).err


@pytest.mark.shared
def test_two_sessions_at_once(agent: ContainerEstate) -> None:
    argv = ["shell", "isurus", FLAG, "--", "sh", "-c", "echo up; cat"]
    first = agent.start(*argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert first.stdin is not None
    assert first.stdout is not None
    assert first.stdout.readline() == b"up\n"
    done = agent.run("shell", "isurus", FLAG, "--", "perl", "-e", ASK)
    assert done.out == "12\n", done
    assert len(lent(agent)) == 1
    first.stdin.close()
    assert first.wait(WAIT_SECONDS) == 0
    assert lent(agent) == []
    assert proxies(agent) == "block"


@pytest.mark.shared
def test_an_agent_left_by_a_killed_session_is_reported_and_removed(agent: ContainerEstate) -> None:
    argv = ["shell", "isurus", FLAG, "--", "sh", "-c", "echo up; sleep 600"]
    process = agent.start(*argv, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"up\n"
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert agent.findings() == {"incus": ["fence"], "isurus": ["differs"]}
    assert "your SSH agent is forwarded to it" in agent.run("status", code=3).out
    agent.run("update", "isurus", code=0)
    agent.run("setup", "--repair", code=0)
    assert lent(agent) == []
    assert agent.findings() == {}

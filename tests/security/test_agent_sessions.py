"""Hostile answers of an agent in a container about its own state."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from repoman_tasks.planning.container.agent_sessions import AGENT_TAG
from tests.containers.conftest import ContainerEstate
from tests.support.guest_tmux import install_program


@pytest.fixture
def recorded(isurus: ContainerEstate) -> Iterator[ContainerEstate]:
    """Yield an estate whose container had a session of an agent."""
    isurus.incus("config", "set", "isurus", f"{AGENT_TAG}=claude 2026-11-28T01:02:03Z")
    yield isurus
    isurus.incus("config", "unset", "isurus", AGENT_TAG)
    isurus.exec_inside("isurus", "rm", "/usr/bin/tmux")


@pytest.mark.shared
def test_a_forged_state_of_an_agent(recorded: ContainerEstate) -> None:
    forged = {
        "exec yes 1": "unknown",
        "printf '1||works\\033[31m'": "unknown",
        "echo '1||works`touch pwned`'": "unknown",
        "echo '1||works'; echo 1": "unknown",
        "printf '1||done\\0\\n'": "unknown",
        "printf '\\377\\n'": "unknown",
        "echo '1||done'": "done",
        "exit 1": "stopped",
    }
    for line, state in forged.items():
        install_program(recorded, "isurus", "tmux", f"#!/bin/sh\n{line}\n")
        (row,) = recorded.run("list", "--json", code=0).json["projects"]
        assert (row["agent"], row["agent_state"]) == ("claude", state), line
        done = recorded.run("agent", "list", code=0)
        assert "\x1b" not in done.out + done.err
        assert "pwned" not in done.out + done.err


@pytest.mark.shared
def test_an_agent_can_not_record_a_session_of_its_own(isurus: ContainerEstate) -> None:
    """The tag is in Incus's configuration, which only the host can change."""
    install_program(isurus, "isurus", "tmux", "#!/bin/sh\necho '1||waits'\n")
    assert isurus.run("agent", "list", "--json", code=0).json["agents"] == []
    isurus.exec_inside("isurus", "rm", "/usr/bin/tmux")

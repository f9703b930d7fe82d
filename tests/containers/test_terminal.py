"""`shell` on a real terminal: its size, Ctrl-C, a full-screen program, and the exit status."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pexpect  # type: ignore[import-untyped]
import pytest

from repoman_tasks.model import TRANSPORTS
from tests.containers.conftest import ContainerEstate
from tests.support import terminals
from tests.support.processes import find_sleeps, wait_until

Spawn = Callable[..., "pexpect.spawn[str]"]


@pytest.fixture
def spawn(isurus: ContainerEstate) -> Iterator[Spawn]:
    """Starts repoman on a terminal."""
    started: list[pexpect.spawn[str]] = []

    def start(*argv: str) -> pexpect.spawn[str]:
        child = terminals.spawn([*isurus.argv, *argv], *isurus.prepare_client(), PS1="$ ")
        started.append(child)
        return child

    yield start
    for child in started:
        child.close(force=True)


@pytest.mark.shared
@pytest.mark.over_ssh(*TRANSPORTS)
def test_a_login_shell(spawn: Spawn, isurus: ContainerEstate, marker: str) -> None:
    child = spawn("shell", "isurus")
    child.sendline("echo at=$(pwd) term=$TERM as=$(id -u)")
    child.expect_exact(f"at={isurus.local_repos}/isurus term=xterm-256color as=")
    child.sendline("stty size")
    child.expect_exact("24 80")
    child.setwinsize(33, 111)
    child.sendline('until [ "$(stty size)" = "33 ""111" ]; do sleep 0.1; done; stty size')
    child.expect_exact("33 111")
    child.sendline(f"sleep {marker}")
    wait_until(lambda: find_sleeps(marker))
    child.send("\x03")
    wait_until(lambda: not find_sleeps(marker))
    child.sendline("echo still=$((40 + 2))")
    child.expect_exact("still=42")
    child.sendline(f"sleep {marker}")
    wait_until(lambda: find_sleeps(marker))
    child.send("\x1a")
    child.sendline("jobs")
    child.expect_exact("Stopped")
    child.sendline("kill -9 %1; fg; wait")
    child.sendline("vi made")
    child.send("i")
    child.send("hello from vi")
    child.expect_exact("from vi")
    child.send("\x1b")
    child.expect(r"- made \[[Mm]odified\]")  # else it might be the begin of a key's sequence
    child.send(":wq\r")
    child.sendline("exit 7")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 7
    made = isurus.local_repos / "isurus/made"
    assert made.read_text() == "hello from vi\n"
    made.unlink()


@pytest.mark.shared
def test_repair_asks_and_leaving_it_is_the_default(spawn: Spawn, isurus: ContainerEstate) -> None:
    isurus.incus("delete", "--force", "isurus")
    child = spawn("status", "--repair")
    child.expect_exact("What should happen to isurus? [1] ")
    child.send("\r")
    child.expect_exact("its container is missing")
    child.expect(pexpect.EOF)
    assert isurus.instances() == {}
    child = spawn("status", "--repair")
    child.expect_exact("What should happen to isurus? [1] ")
    child.send("nonsense\r")
    child.expect_exact("'nonsense' is not a choice: enter 1 to 3")
    child.send("\x03")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 130
    child = spawn("status", "--repair")
    child.expect_exact("What should happen to isurus? [1] ")
    child.send("recreate\r")
    same = f"`repoman status isurus --missing recreate --yes{isurus.host_flag}`"
    child.expect_exact(f"The same by flags: {same}")
    child.expect_exact("done: create the container isurus")
    child.expect(pexpect.EOF)
    assert isurus.state("isurus") == "running"


def test_delete_repo_wants_the_name_typed(spawn: Spawn, isurus: ContainerEstate) -> None:
    isurus.run("sync", code=0)
    for answer in ("y", "other"):
        child = spawn("remove", "isurus", "--delete-repo")
        child.expect_exact("Type isurus to go on: ")
        child.send(f"{answer}\r")
        child.expect(pexpect.EOF)
        child.close()
        assert child.exitstatus == 130
        assert isurus.state("isurus") == "running"
    child = spawn("remove", "isurus", "--delete-repo")
    child.expect_exact("Type isurus to go on: ")
    child.send("isurus\r")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0
    assert not (isurus.local_repos / "isurus").exists()

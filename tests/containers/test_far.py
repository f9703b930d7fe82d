"""The life of a project on another host, over SSH."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pexpect  # type: ignore[import-untyped]
import pytest

from tests.containers.far import FarPlace
from tests.estate import run
from tests.terminals import spawn


@pytest.fixture
def isurus(tmp_path: Path) -> Iterator[FarPlace]:
    """It, with the project isurus, whose container runs."""
    with FarPlace(tmp_path) as place:
        place.ready()
        place.new("isurus")
        place.sshd.let_in(place.environ)
        yield place


def test_the_life_of_a_project(isurus: FarPlace) -> None:
    row = isurus.run("list", "--json", code=0).json["projects"][0]
    assert (row["name"], row["state"]) == ("isurus", "running")
    done = isurus.run("exec", "isurus", "--", "printf", "%s|", "a b", "$(id)", "", "'\"\\", "ä\n")
    assert (done.code, done.out) == (0, "a b|$(id)||'\"\\|ä\n|")
    assert isurus.run("exec", "isurus", "--", "sh", "-c", "exit 7").code == 7
    assert isurus.run("exec", "isurus", "--", "cat", given="from here\n").out == "from here\n"
    where = isurus.run("exec", "isurus", "--", "sh", "-c", "pwd; id -un; echo $HOME; touch made")
    assert where.out.splitlines()[:2] == [str(isurus.local_repos / "isurus"), "dev"]
    assert (isurus.local_repos / "isurus/made").stat().st_uid == os.getuid()
    isurus.run("stop", "isurus", code=0)
    assert isurus.state("isurus") == "stopped"
    assert isurus.run("shell", "isurus", "--", "true").code == 0
    isurus.run("sync", code=0)
    isurus.run("remove", "isurus", "--yes", code=0)
    assert isurus.instances() == {}
    assert (isurus.local_repos / "isurus/made").exists()


def test_without_a_name_it_says_what_to_type(isurus: FarPlace) -> None:
    done = isurus.run("shell")
    assert done.code == 2
    assert "name" in done.err


def test_a_shell_is_a_terminal(isurus: FarPlace) -> None:
    child = spawn([*isurus.words, "shell", "isurus"], isurus.here, isurus.laptop)
    child.expect(r"\$ ")
    child.sendline("echo begin-$TERM; stty size; tty >/dev/null && echo it-is-one")
    child.expect("begin-xterm-256color")
    child.expect("24 80")
    child.expect("it-is-one")
    child.setwinsize(33, 99)
    time.sleep(0.5)
    child.sendline("stty size")
    child.expect("33 99")
    child.sendline("sleep 1000; echo ended-$?")
    time.sleep(0.5)
    child.sendintr()
    child.sendline("echo still-$((40 + 2))")
    child.expect("still-42")
    child.sendline("exit 5")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 5


def test_streams_go_through_fast(isurus: FarPlace) -> None:
    """20 MB/s each way is asked for; a tenth of it fails here, since other tests run beside it."""
    size = 64 << 20
    words = [*isurus.words, "exec", "isurus", "--", "cat"]
    began = time.monotonic()
    with open("/dev/zero", "rb") as zeros:
        head = subprocess.Popen(["head", "-c", str(size)], stdin=zeros, stdout=subprocess.PIPE)
        done = subprocess.run(words, env=isurus.here, stdin=head.stdout, capture_output=True)
        head.wait()
    took = time.monotonic() - began
    assert done.returncode == 0, done.stderr
    assert len(done.stdout) == size
    print(f"{size / took / 1e6:.0f} MB/s")
    assert size / took > 2e6


def test_incus_that_is_not_there_is_told(isurus: FarPlace) -> None:
    isurus.sshd.let_in({**isurus.environ, "INCUS_DIR": "/nonexistent"})
    done = run([*isurus.words, "exec", "isurus", "--", "true"], isurus.here)
    assert done.code != 0
    assert done.err.startswith("repoman: there: ")

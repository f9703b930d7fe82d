"""No project holds up the others: limits of size, entries and time, a full share, signals."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from tests.integration.test_mirror import LARGE, REFUSED, SOME_FAILED, inner, last_sync
from tests.support.estate import Estate
from tests.support.processes import WAIT_SECONDS, find_processes, wait_until

TARGET, INTERRUPTED = 5, 130
NO_ROOM = {"REPOMAN_MIN_FREE_MIB": str(10**9)}
"""As if the share had too little free space."""
MIB = 1 << 20


@pytest.fixture
def ready(estate: Estate) -> Estate:
    """Return an estate that is set up, with two projects that are not mirrored yet."""
    return estate.prepare("isurus", "lamna")


def hole(path: Path, size: int) -> None:
    """Make a file that is all hole: it takes no room."""
    with path.open("wb") as file:
        file.truncate(size)


def set_key(estate: Estate, name: str, line: str) -> None:
    text = estate.registry.read_text()
    estate.registry.write_text(text.replace(f'repo = "{name}"', f'repo = "{name}"\n{line}'))


@pytest.mark.over_ssh
def test_a_repo_that_is_too_large_is_not_copied(ready: Estate) -> None:
    hole(ready.local_repos / "isurus/hole", LARGE)
    done = ready.run("sync", environ={"REPOMAN_MAX_SIZE_GIB": "200"}, code=SOME_FAILED)
    assert "has 1024.0 GiB, max_size_gib is 200" in done.err
    assert not ready.mirror("isurus").exists()
    assert last_sync(ready, "lamna") is not None
    hole(ready.local_repos / "isurus/hole", 1 << 30)
    ready.run("sync", "isurus", environ={"REPOMAN_MAX_SIZE_GIB": "1"}, code=REFUSED)
    set_key(ready, "isurus", "max_size_gib = 2")
    ready.run("sync", "isurus", environ={"REPOMAN_MAX_SIZE_GIB": "1"}, code=0)
    assert (ready.mirror("isurus") / "hole").stat().st_size == 1 << 30


def test_a_file_with_many_names_counts_once(ready: Estate) -> None:
    repo = ready.local_repos / "isurus"
    hole(repo / "hole", (1 << 30) - MIB)
    (repo / "again").hardlink_to(repo / "hole")
    ready.run("sync", "isurus", environ={"REPOMAN_MAX_SIZE_GIB": "1"}, code=0)


@pytest.mark.over_ssh
@pytest.mark.parametrize("excluded", [False, True])
def test_a_repo_with_too_many_entries(ready: Estate, *, excluded: bool) -> None:
    """Excluded ones do not count."""
    (ready.local_repos / "isurus/many").mkdir()
    for number in range(500):
        (ready.local_repos / f"isurus/many/{number}").mkdir()
    if excluded:
        set_key(ready, "isurus", 'exclude = ["many"]')
    environ = {"REPOMAN_MAX_ENTRIES": "400"}
    done = ready.run("sync", environ=environ, code=0 if excluded else SOME_FAILED)
    assert ("max_entries is 400" in done.err) != excluded
    assert ready.mirror("isurus").exists() == excluded
    assert ready.mirror("lamna").exists()
    if not excluded:
        set_key(ready, "isurus", "max_entries = 1000")
        ready.run("sync", "isurus", environ=environ, code=0)


@pytest.mark.over_ssh
def test_the_time_of_one_project_is_limited(ready: Estate) -> None:
    hole(ready.local_repos / "isurus/hole", LARGE)
    done = ready.run("sync", "--jobs=1", environ={"REPOMAN_SYNC_SECONDS": "1"})
    assert "isurus: not complete after 1 s, the limit of sync_seconds" in done.err
    assert last_sync(ready) is None
    (ready.local_repos / "isurus/hole").unlink()
    ready.run("sync", environ={"REPOMAN_SYNC_SECONDS": "0"}, code=0)
    assert inner(ready.mirror("isurus")) == inner(ready.local_repos / "isurus")


@pytest.mark.local_only("a host over SSH has its own find")
def test_the_time_of_the_walks_over_one_project_is_limited(ready: Estate) -> None:
    """A walk that goes on and on is no walk that stalls."""
    program = ready.base / "bin/find"
    program.parent.mkdir()
    endless = "while printf x; do sleep 0.1; done"
    case = f'case " $* " in *" {ready.local_repos}/isurus "*) {endless};; esac'
    program.write_text(f'#!/bin/sh\n{case}\nexec {shutil.which("find")} "$@"\n')
    program.chmod(0o755)
    environ = {"PATH": f"{program.parent}:{ready.environ['PATH']}", "REPOMAN_SYNC_SECONDS": "1"}
    done = ready.run("sync", "--jobs=1", environ=environ)
    assert "isurus: not complete after 1 s, the limit of sync_seconds" in done.err
    assert last_sync(ready) is None
    ready.run("sync", code=0)


# --- a full share --------------------------------------------------------------------------


@pytest.mark.over_ssh
def test_a_share_without_room_takes_what_makes_room(ready: Estate) -> None:
    """The project that filled it shrinks, and no other is held up by it."""
    large = ready.local_repos / "isurus/large"
    large.write_bytes(os.urandom(2 * MIB))
    ready.run("sync", code=0)
    (ready.local_repos / "lamna/new").write_bytes(os.urandom(MIB))
    done = ready.run("sync", environ=NO_ROOM, code=TARGET)
    assert "lamna: " in done.err
    assert "min_free_mib is 1000000000" in done.err
    assert not (ready.mirror("lamna") / "new").exists()
    large.unlink()
    done = ready.run("sync", environ=NO_ROOM, code=TARGET)
    assert "isurus: " not in done.err
    assert not (ready.mirror("isurus") / "large").exists()
    ready.run("sync", "isurus", environ=NO_ROOM, code=0)
    ready.run("sync", code=0)


def test_what_a_broken_sync_left_is_removed_without_room(ready: Estate) -> None:
    """The mirror is larger than the last sync noted."""
    ready.run("sync", code=0)
    (ready.mirror("isurus") / "half").write_bytes(os.urandom(MIB))
    (ready.local_repos / "isurus/note").write_text("x")
    ready.run("sync", "isurus", "--full", environ=NO_ROOM, code=0)
    assert not (ready.mirror("isurus") / "half").exists()
    assert (ready.mirror("isurus") / "note").exists()


def test_a_first_mirror_needs_room(ready: Estate) -> None:
    ready.run("sync", environ=NO_ROOM, code=TARGET)
    assert not ready.mirror("isurus").exists()


def test_a_mirror_is_deleted_without_room(ready: Estate) -> None:
    ready.run("sync", code=0)
    ready.run("remove", "isurus", "--yes", code=0)
    ready.run("remove", "isurus", "--mirror", "--yes", environ=NO_ROOM, code=0)
    assert not ready.mirror("isurus").exists()


# --- signals -------------------------------------------------------------------------------


PHASES = {
    "the look for unchanged repos": ("find", "*-newerct*", True),
    "the walk before": ("find", "*-newerct*", False),
    "the survey": ("stat", "*%.9Z*", False),
    "the listing without excluded files": ("rsync", "*/nonexistent/*", False),
    "the copy": ("rsync", "*--delete-after*", False),
    "the token of the share": ("head", "*.repoman-generation*", False),
    "the token before the copy": ("dd", "of=*.repoman-generation.new*", False),
    "the check of git objects": ("git", "*fsck*", True),
    "the mirror's size": ("find", "*-printf*loose*", False),
}
"""The program that hangs in each phase, a pattern of its arguments, and if repos are mirrored."""


def hanging(estate: Estate, program: str, pattern: str, marker: str) -> dict[str, str]:
    """Return an environment in which `program` hangs if its arguments match `pattern`."""
    folder = estate.base / "shim"
    folder.mkdir()
    real = shutil.which(program)
    (folder / program).write_text(
        f'#!/bin/sh\ncase "$*" in {pattern}) trap "" TERM; sleep {marker}; sleep {marker} ;; esac\n'
        f'exec {real} "$@"\n'
    )
    (folder / program).chmod(0o755)
    return {"PATH": f"{folder}:{estate.environ['PATH']}"}


@pytest.mark.parametrize("phase", PHASES)
def test_sigterm_ends_every_phase(ready: Estate, phase: str, marker: str) -> None:
    """The program that hangs does so for longer than the test waits, and ignores the signal."""
    program, pattern, mirrored = PHASES[phase]
    set_key(ready, "isurus", 'exclude = ["*.o"]')
    if mirrored or "size" in phase:
        ready.run("sync", code=0)
    if program == "git":
        ready.git(ready.local_repos / "isurus", "gc", "--quiet")
    if "size" in phase:
        ready.environ |= NO_ROOM
        (ready.local_repos / "isurus/new").touch()
    ready.environ |= hanging(ready, program, pattern, marker)
    process = ready.start("sync", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_until(lambda: bool(find_processes(marker)))
    process.send_signal(signal.SIGTERM)
    assert process.wait(WAIT_SECONDS) == INTERRUPTED
    wait_until(lambda: not find_processes(marker))

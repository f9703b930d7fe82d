"""Kill, interrupt, run twice at once, or fill the disk: the rest is valid, or found and
repaired."""

from __future__ import annotations

import multiprocessing
import os
import random
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from repoman_tasks.hosts.local import LocalHost
from repoman_tasks.planning.container.spec import MAKING_TAG, Container
from repoman_tasks.tools.incus import Incus
from tests.containers.conftest import (
    DAEMON,
    ContainerEstate,
    RemoteContainerEstate,
    small_pool,
)
from tests.support.cures import paste_cure
from tests.support.processes import (
    WAIT_SECONDS,
    find_descendants,
    find_processes,
    is_running,
    wait_until,
)

SEED = 20261125


def started(estate: ContainerEstate, *argv: str) -> subprocess.Popen[bytes]:
    return estate.start(*argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def cut_after(estate: ContainerEstate, seconds: float, *argv: str) -> float:
    """Run repoman, and kill it and all its children after `seconds`.

    If it works on another host, break its connection that long after it was opened. Return the
    seconds until it ended, or 0 if it was killed before.
    """
    process = started(estate, *argv)
    if isinstance(estate, RemoteContainerEstate):
        wait_until(lambda: estate.sshd.find_sessions() or process.poll() is not None)
    began = time.monotonic()
    try:
        process.wait(seconds)
        return time.monotonic() - began
    except subprocess.TimeoutExpired:
        if isinstance(estate, RemoteContainerEstate):
            drop(estate, process)
            return 0
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return 0


def drop(estate: RemoteContainerEstate, process: subprocess.Popen[bytes]) -> None:
    """Break the connection; repoman ends by itself, and so does all it started there."""
    there = find_descendants(estate.sshd.find_sessions())
    estate.sshd.kill_connections()
    assert process.wait(WAIT_SECONDS) >= 0
    wait_until(lambda: not any(map(is_running, there)))


def at_rest(estate: ContainerEstate) -> bool:
    """Return True if Incus has finished what a killed process had requested."""
    operations = estate.incus("query", f"local:/1.0/operations?project={estate.project}").out
    if '"running"' not in operations:  # nothing at all where there are none
        return True
    time.sleep(0.1)  # a client for each look is dear
    return False


def repair_estate(estate: ContainerEstate) -> None:
    """Run the commands by which a user repairs the estate, and check that it is in order."""
    wait_until(lambda: at_rest(estate))
    flags = ["--missing", "recreate", "--orphan", "adopt", "--half-made", "finish"]
    done = estate.run("status", "--repair", "--yes", *flags)
    assert "not mended" not in done.err, done
    for name in estate.projects():
        estate.run("update", name, "--rebuild", "--restart", code=0)
    assert estate.findings() == {}
    for name, instance in estate.instances().items():
        assert name in estate.projects()
        assert MAKING_TAG not in instance["config"]


@pytest.fixture
def quick(estate: ContainerEstate) -> ContainerEstate:
    """Return an estate with the folder of a repo."""
    (estate.local_repos / "isurus").mkdir()
    return estate


COMMANDS = {
    "new": (["new", "isurus"], 12),
    "remove": (["remove", "isurus", "--yes"], 6),
    "update": (["update", "isurus", "--rebuild"], 6),
    "setup": (["setup", "--repair"], 6),
}
"""Words, and how often they are killed in the middle."""


def moment(chance: random.Random, took: float) -> float:
    """Return a moment in the middle of something of this duration.

    The first part of it goes to the start of Python.
    """
    return took * chance.uniform(0.2, 1)


def before(estate: ContainerEstate, command: str, number: int) -> None:
    """Create what the command changes."""
    if command == "new":
        estate.run("remove", "isurus", "--yes")
        return
    if command == "remove" and "isurus" not in estate.projects():
        estate.run("new", "isurus", code=0)
    if command == "update":
        if "isurus" not in estate.projects():
            estate.run("new", "isurus", code=0)
        image = ("busybox", "local:busybox")[number % 2]
        text = f'image = "{image}"\n[env]\nNUMBER = "{number}"\n'
        (estate.local_repos / "isurus/.repoman.toml").write_text(text)
    if command == "setup":
        estate.incus("project", "set", estate.project, "restricted=false")
        estate.incus("profile", "set", "default", "limits.processes", str(number + 1))


@pytest.mark.nightly
@pytest.mark.timeout(1800)
@pytest.mark.over_ssh
@pytest.mark.parametrize("command", COMMANDS)
def test_killed_at_any_moment(quick: ContainerEstate, command: str) -> None:
    argv, times = COMMANDS[command]
    if isinstance(quick, RemoteContainerEstate):
        times = max(1, times // 4)
    chance = random.Random(f"{SEED} {command}")
    before(quick, command, 0)
    took = cut_after(quick, WAIT_SECONDS, *argv)
    assert took
    killed = number = 0
    while killed < times:
        number += 1
        before(quick, command, number)
        ended = cut_after(quick, moment(chance, took), *argv)
        killed += not ended
        took = min(took, ended or took)
        if command == "setup":
            quick.run(*argv, code=0)
        repair_estate(quick)
    assert (quick.local_repos / "isurus").is_dir()
    leftovers = [p.name for p in (quick.local_repos / "isurus").iterdir()]
    assert [name for name in leftovers if name != ".repoman.toml"] == []


def interrupt_after(estate: ContainerEstate, seconds: float, number: signal.Signals) -> int:
    """Run `new`, send it a signal after `seconds`, and return its exit status."""
    process = started(estate, "new", "made", "--create")
    try:
        return process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.send_signal(number)
        return process.wait(WAIT_SECONDS)


@pytest.mark.parametrize(
    "number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.nightly)]
)
def test_interrupted_new_leaves_nothing(quick: ContainerEstate, number: signal.Signals) -> None:
    chance = random.Random(SEED)
    seconds, took, interrupted = WAIT_SECONDS, WAIT_SECONDS, 0
    while interrupted < 4:
        text, began = quick.registry.read_text(), time.monotonic()
        code = interrupt_after(quick, seconds, number)
        if code == 0 or "made" in quick.projects():  # the signal may come when all is done
            took = min(took, time.monotonic() - began)
            assert quick.findings() == {}
            quick.run("remove", "made", "--yes", code=0)
            shutil.rmtree(quick.local_repos / "made")
        else:
            assert code in (130, -number), "or it had not begun yet"
            interrupted += 1
            assert {name: one["status"] for name, one in quick.instances().items()} == {}
            assert quick.registry.read_text() == text
            assert sorted(os.listdir(quick.local_repos)) == ["isurus"]
        seconds = moment(chance, took)


def test_two_new_of_one_name_at_once(quick: ContainerEstate) -> None:
    both = [started(quick, "new", "isurus") for _ in range(2)]
    codes = sorted(process.wait(WAIT_SECONDS) for process in both)
    assert codes[0] == 0
    assert codes[1] in (1, 2, 4)
    assert quick.projects() == ["isurus"]
    assert list(quick.instances()) == ["isurus"]
    assert quick.findings() == {}
    quick.run("exec", "isurus", "--", "true", code=0)


def test_a_name_that_is_being_worked_on(quick: ContainerEstate) -> None:
    process = started(quick, "new", "isurus")
    wait_until(lambda: quick.instances() or process.poll() is not None)
    done = quick.run("new", "isurus")
    assert process.wait(WAIT_SECONDS) == 0
    assert done.code in (2, 4), done
    assert "another command is working on" in done.err or "exists already" in done.err
    assert quick.findings() == {}


def test_disk_full_in_the_pool(quick: ContainerEstate) -> None:
    with small_pool(quick) as (pool, _):
        quick.incus("profile", "device", "set", "default", "root", f"pool={pool}")
        text = quick.registry.read_text()
        try:
            error = quick.run("new", "isurus", "--image", "debian", code=1).err
            assert "the storage pool is full" in error
            assert quick.instances() == {}
            assert quick.registry.read_text() == text
        finally:
            quick.incus("profile", "device", "set", "default", "root", "pool=pool", check=False)


@contextmanager
def without_its_daemon(estate: ContainerEstate) -> Iterator[None]:
    """Hide the daemon's folder until its service is started."""
    before, program = dict(estate.environ), estate.home / "bin/systemctl"
    program.parent.mkdir()
    with tempfile.TemporaryDirectory(dir="/tmp") as base:  # a socket has a short path (unix(7))
        folder = Path(base, "incus")
        start = f'[ "$*" = "start incus" ] && exec ln -s {DAEMON} {folder}'
        program.write_text(f"#!/bin/sh\n{start}\n")
        program.chmod(0o755)
        path = f"{program.parent}:{before['PATH']}"
        estate.environ |= {"INCUS_DIR": str(folder), "PATH": path}
        yield
    estate.environ = before


def test_a_daemon_that_does_not_run(quick: ContainerEstate) -> None:
    quick.run("new", "isurus", code=0)
    down = {"INCUS_DIR": str(Path("/nowhere"))}
    for argv in (
        ["exec", "isurus", "--", "true"],
        ["start", "isurus"],
        ["update", "isurus"],
        ["remove", "isurus", "--yes"],
        ["new", "lamna", "--create"],
        ["adopt", "stray"],
    ):
        done = quick.run(*argv, environ=down, code=1)
        assert "the Incus daemon does not run" in done.err
    assert quick.projects() == ["isurus"]
    with without_its_daemon(quick):
        paste_cure(quick, "incus")
    assert quick.run("sync", environ=down, code=0).err == "", "a mirror needs no container"


def test_a_daemon_that_is_slow(quick: ContainerEstate, marker: str) -> None:
    program = quick.base / "incus"
    program.write_text(f"#!/bin/sh\nexec sleep {marker}\n")
    program.chmod(0o755)
    slow = {"PATH": f"{quick.base}:{quick.environ['PATH']}"}
    done = quick.run("exec", "isurus", "--", "true", environ=slow)
    assert done.code in (1, 2)
    quick.run("list", environ=slow, code=0)


def test_an_interrupt_does_not_wait_for_a_program_inside(isurus: ContainerEstate) -> None:
    """Incus can't cancel it, and root inside says how long it takes."""
    incus = Incus(LocalHost(isurus.environ), isurus.project)
    program = f"sleep 98765 {isurus.project}"
    inside = ["sh", "-c", "sleep 98765; :", program]
    child = multiprocessing.get_context("fork").Process(
        target=incus.exec_code, args=("isurus", inside, 100_000)
    )
    child.start()
    wait_until(lambda: find_processes(program))
    assert child.pid is not None
    os.kill(child.pid, signal.SIGINT)
    child.join(WAIT_SECONDS / 2)
    assert child.exitcode == 1
    assert find_processes(program), "it still runs, so it was not waited for"
    isurus.incus("stop", "--force", "isurus")


def test_a_container_that_starts_while_it_is_deleted(
    isurus: ContainerEstate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one does whose `new` was killed: Incus goes on with what it was told."""
    incus = Incus(LocalHost(isurus.environ), isurus.project)
    isurus.incus("stop", "--force", "isurus")
    look = incus.container

    def start_after_look(name: str) -> Container | None:
        found = look(name)
        if found is not None and found.status == "stopped":
            isurus.incus("start", name)
        return found

    monkeypatch.setattr(incus, "container", start_after_look)
    incus.delete("isurus")
    assert isurus.instances() == {}

"""Killed, interrupted, twice at once, without room: what is left is whole, or seen and mended."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from repoman_tasks.planning.container.spec import MAKING_TAG
from tests.containers.conftest import FarPlace, Place
from tests.support.processes import PATIENCE, descendants, lives, until

SEED = 20261125


def started(place: Place, *argv: str) -> subprocess.Popen[bytes]:
    return place.start(*argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def cut_after(place: Place, seconds: float, *argv: str) -> float:
    """Run repoman, and kill it and all its children after `seconds`.

    If it works on another host, break its connection so long after that was made. Return the
    seconds that it took to its end, 0 if it did not come to that.
    """
    process = started(place, *argv)
    if isinstance(place, FarPlace):
        until(lambda: place.sshd.sessions() or process.poll() is not None)
    began = time.monotonic()
    try:
        process.wait(seconds)
        return time.monotonic() - began
    except subprocess.TimeoutExpired:
        if isinstance(place, FarPlace):
            drop(place, process)
            return 0
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return 0


def drop(place: FarPlace, process: subprocess.Popen[bytes]) -> None:
    """Break the connection; repoman ends by itself, and all that ran over it there, too."""
    there = descendants(place.sshd.sessions())
    place.sshd.cut()
    assert process.wait(PATIENCE) >= 0
    until(lambda: not any(map(lives, there)))


def at_rest(place: Place) -> bool:
    """Whether Incus has done what it had begun when it was asked by somebody who was killed."""
    said = place.incus("query", f"local:/1.0/operations?project={place.project}").out
    if '"running"' not in said:  # nothing at all where there are none
        return True
    time.sleep(0.1)  # a client for each look is dear
    return False


def mended(place: Place) -> None:
    """What a person does afterwards; the estate is whole then."""
    until(lambda: at_rest(place))
    flags = ["--missing", "recreate", "--orphan", "adopt", "--half-made", "finish"]
    done = place.run("status", "--repair", "--yes", *flags)
    assert "not mended" not in done.err, done
    for name in place.projects():
        place.run("update", name, "--rebuild", "--restart", code=0)
    found = place.run("status", "--json").json["findings"]
    assert [finding for finding in found if finding["kind"]] == []
    for name, instance in place.instances().items():
        assert name in place.projects()
        assert MAKING_TAG not in instance["config"]


@pytest.fixture
def quick(place: Place) -> Place:
    """An estate with the folder of a repo."""
    (place.local_repos / "isurus").mkdir()
    return place


COMMANDS = {
    "new": (["new", "isurus"], 12),
    "remove": (["remove", "isurus", "--yes"], 6),
    "update": (["update", "isurus", "--rebuild"], 6),
    "setup": (["setup", "--repair"], 6),
}
"""Words, and how often they are killed in the middle."""


def moment(chance: random.Random, took: float) -> float:
    """Return a moment in the middle of what takes so long here and now.

    The first part of it goes to the start of Python.
    """
    return took * chance.uniform(0.2, 1)


def before(place: Place, command: str, number: int) -> None:
    """Have what the command changes."""
    if command == "new":
        place.run("remove", "isurus", "--yes")
        return
    if command == "remove" and "isurus" not in place.projects():
        place.run("new", "isurus", code=0)
    if command == "update":
        if "isurus" not in place.projects():
            place.run("new", "isurus", code=0)
        image = ("busybox", "local:busybox")[number % 2]
        text = f'image = "{image}"\n[env]\nNUMBER = "{number}"\n'
        (place.local_repos / "isurus/.repoman.toml").write_text(text)
    if command == "setup":
        place.incus("project", "set", place.project, "restricted=false")
        place.incus("profile", "set", "default", "limits.processes", str(number + 1))


@pytest.mark.nightly
@pytest.mark.timeout(1800)
@pytest.mark.over_ssh
@pytest.mark.parametrize("command", COMMANDS)
def test_killed_at_any_moment(quick: Place, command: str) -> None:
    argv, times = COMMANDS[command]
    if isinstance(quick, FarPlace):
        times = max(1, times // 4)
    chance = random.Random(f"{SEED} {command}")
    before(quick, command, 0)
    took = cut_after(quick, PATIENCE, *argv)
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
        mended(quick)
    assert (quick.local_repos / "isurus").is_dir()
    leftovers = [p.name for p in (quick.local_repos / "isurus").iterdir()]
    assert [name for name in leftovers if name != ".repoman.toml"] == []


def interrupt_after(place: Place, seconds: float, number: signal.Signals) -> int:
    """Run `new`, and send it a signal after `seconds`; return its exit status."""
    process = started(place, "new", "made", "--create")
    try:
        return process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.send_signal(number)
        return process.wait(PATIENCE)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_new_leaves_nothing(quick: Place, number: signal.Signals) -> None:
    chance = random.Random(SEED)
    seconds, took, interrupted = PATIENCE, PATIENCE, 0
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


def test_two_new_of_one_name_at_once(quick: Place) -> None:
    both = [started(quick, "new", "isurus") for _ in range(2)]
    codes = sorted(process.wait(PATIENCE) for process in both)
    assert codes[0] == 0
    assert codes[1] in (1, 2, 4)
    assert quick.projects() == ["isurus"]
    assert list(quick.instances()) == ["isurus"]
    assert quick.findings() == {}
    quick.run("exec", "isurus", "--", "true", code=0)


def test_a_name_that_is_being_worked_on(quick: Place) -> None:
    process = started(quick, "new", "isurus")
    until(lambda: quick.instances() or process.poll() is not None)
    done = quick.run("new", "isurus")
    assert process.wait(PATIENCE) == 0
    assert done.code in (2, 4), done
    assert "is being worked on" in done.err or "exists already" in done.err
    assert quick.findings() == {}


def test_disk_full_in_the_pool(quick: Place) -> None:
    pool = f"small{os.getpid() % 100_000}"
    sudo = ["sudo", "-n"]
    mounted = quick.base / "mounted"
    mounted.mkdir()
    mount = [*sudo, "mount", "-t", "tmpfs", "-o", "size=3m,mode=711", "small", str(mounted)]
    inner = [*sudo, "nsenter", "--target", "1", "--mount"]
    subprocess.run([*inner, *mount[2:]], check=True)
    try:
        quick.incus("storage", "create", pool, "dir", f"source={mounted}")
        quick.incus("profile", "device", "set", "default", "root", f"pool={pool}")
        text = quick.registry.read_text()
        error = quick.run("new", "isurus", "--image", "debian", code=1).err
        assert "the storage pool is full" in error
        assert quick.instances() == {}
        assert quick.registry.read_text() == text
    finally:
        quick.incus("profile", "device", "set", "default", "root", "pool=pool", check=False)
        quick.incus("storage", "delete", pool, check=False)
        subprocess.run([*inner, "umount", "--lazy", str(mounted)], check=False)


def test_a_daemon_that_does_not_run(quick: Place) -> None:
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
    assert quick.run("sync", environ=down, code=0).err == "", "a mirror needs no container"


def test_a_daemon_that_is_slow(quick: Place, marker: str) -> None:
    program = quick.base / "incus"
    program.write_text(f"#!/bin/sh\nexec sleep {marker}\n")
    program.chmod(0o755)
    slow = {"PATH": f"{quick.base}:{quick.environ['PATH']}"}
    done = quick.run("exec", "isurus", "--", "true", environ=slow)
    assert done.code in (1, 2)
    quick.run("list", environ=slow, code=0)

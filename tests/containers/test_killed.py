"""Killed, interrupted, twice at once, without room: what is left is whole, or seen and mended."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from pathlib import Path

import pytest

from repoman_tasks.planning.container.spec import MAKING
from tests.containers.conftest import FarPlace, Place
from tests.support.processes import descendants, lives, until

SEED = 20261125
ENDED_WITHIN = 5.0
"""Seconds in which what ran on the other side has to be gone; three, on a machine with nothing else
to do."""


def started(place: Place, *argv: str) -> subprocess.Popen[bytes]:
    return place.start(*argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def cut_after(place: Place, seconds: float, *argv: str) -> bool:
    """Run repoman and kill it and all its children, or where it works on another host break its
    connection so long after that was made; whether it was still running."""
    process = started(place, *argv)
    if isinstance(place, FarPlace):
        until(place.sshd.sessions, 20)
    try:
        process.wait(seconds)
        return False
    except subprocess.TimeoutExpired:
        if isinstance(place, FarPlace):
            drop(place, process)
            return True
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return True


def drop(place: FarPlace, process: subprocess.Popen[bytes]) -> None:
    """Break the connection; repoman ends by itself, and all that ran over it there, too."""
    there = descendants(place.sshd.sessions())
    place.sshd.cut()
    assert process.wait(60) >= 0
    until(lambda: not any(map(lives, there)), ENDED_WITHIN)


def at_rest(place: Place) -> bool:
    """Whether Incus has done what it had begun when it was asked by somebody who was killed."""
    said = place.incus("query", f"local:/1.0/operations?project={place.project}").out
    if '"running"' not in said:  # nothing at all where there are none
        return True
    time.sleep(0.1)  # a client for each look is dear
    return False


def mended(place: Place) -> None:
    """What a person does afterwards; the estate is whole then."""
    until(lambda: at_rest(place), 20)
    flags = ["--missing", "recreate", "--orphan", "adopt", "--half-made", "finish"]
    done = place.run("status", "--repair", "--yes", *flags)
    assert "not mended" not in done.err, done
    for name in place.projects():
        place.run("update", name, "--rebuild", "--restart", code=0)
    found = place.run("status", "--json").json["findings"]
    assert [finding for finding in found if finding["kind"]] == []
    for name, instance in place.instances().items():
        assert name in place.projects()
        assert MAKING not in instance["config"]


@pytest.fixture
def quick(place: Place) -> Place:
    """An estate with the folder of a repo."""
    (place.local_repos / "isurus").mkdir()
    return place


COMMANDS = {
    "new": (["new", "isurus"], 16, 1.6),
    "remove": (["remove", "isurus", "--yes"], 8, 1.2),
    "update": (["update", "isurus", "--rebuild"], 8, 1.8),
    "setup": (["setup", "--repair"], 8, 0.7),
}
"""Words, how often they are killed, and the seconds within which they are."""


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


@pytest.mark.timeout(600)
@pytest.mark.over_ssh
@pytest.mark.parametrize("command", COMMANDS)
def test_killed_at_any_moment(quick: Place, command: str) -> None:
    argv, times, within = COMMANDS[command]
    if isinstance(quick, FarPlace):
        times //= 4
    chance = random.Random(f"{SEED} {command}")
    killed = 0
    for number in range(times):
        before(quick, command, number)
        killed += cut_after(quick, chance.uniform(0.1, within), *argv)
        if command == "setup":
            quick.run(*argv, code=0)
        mended(quick)
    assert killed >= times // 3, "it was hit in the middle"
    assert (quick.local_repos / "isurus").is_dir()
    leftovers = [p.name for p in (quick.local_repos / "isurus").iterdir()]
    assert [name for name in leftovers if name != ".repoman.toml"] == []


@pytest.mark.timeout(300)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_new_leaves_nothing(quick: Place, number: signal.Signals) -> None:
    chance = random.Random(SEED)
    text = quick.registry.read_text()
    interrupted = 0
    for _ in range(6):
        process = started(quick, "new", "made", "--create")
        time.sleep(chance.uniform(0.3, 1.2))
        process.send_signal(number)
        code = process.wait(60)
        if code == 0 or "made" in quick.projects():  # the signal may come when all is done
            assert quick.findings() == {}
            quick.run("remove", "made", "--yes", code=0)
            (quick.local_repos / "made/.git").rename(quick.base / f"git{time.monotonic_ns()}")
            (quick.local_repos / "made").rmdir()
            text = quick.registry.read_text()
            continue
        assert code in (130, -number), "or it had not begun yet"
        interrupted += 1
        assert {name: one["status"] for name, one in quick.instances().items()} == {}
        assert quick.registry.read_text() == text
        assert sorted(os.listdir(quick.local_repos)) == ["isurus"]
    assert interrupted >= 3


def test_two_new_of_one_name_at_once(quick: Place) -> None:
    both = [started(quick, "new", "isurus") for _ in range(2)]
    codes = sorted(process.wait(60) for process in both)
    assert codes[0] == 0
    assert codes[1] in (1, 2, 4)
    assert quick.projects() == ["isurus"]
    assert list(quick.instances()) == ["isurus"]
    assert quick.findings() == {}
    quick.run("exec", "isurus", "--", "true", code=0)


def test_a_name_that_is_being_worked_on(quick: Place) -> None:
    process = started(quick, "new", "isurus")
    deadline = time.monotonic() + 20
    while not quick.instances() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    done = quick.run("new", "isurus")
    assert process.wait(60) == 0
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


def test_a_daemon_that_is_slow(quick: Place) -> None:
    program = quick.base / "incus"
    program.write_text("#!/bin/sh\nsleep 60\n")
    program.chmod(0o755)
    slow = {"PATH": f"{quick.base}:{quick.environ['PATH']}"}
    began = time.monotonic()
    done = quick.run("exec", "isurus", "--", "true", environ=slow)
    assert done.code in (1, 2)
    quick.run("list", environ=slow, code=0)
    assert time.monotonic() - began < 40

"""Snapshots of a project with its container and volume, and the way back."""

from __future__ import annotations

import fcntl
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.containers.conftest import ContainerEstate
from tests.containers.test_volume import inside, volumes
from tests.support.cures import commands, paste_cure
from tests.support.estate import run
from tests.support.killing import run_killed
from tests.support.processes import WAIT_SECONDS, find_processes, wait_until
from tests.worlds.daemon.sandbox import POOL

KILLED, REFUSED = -9, 6


def snapshots(estate: ContainerEstate, name: str = "isurus") -> list[dict[str, Any]]:
    return list(estate.run("snapshot", "list", name, "--json", code=0).json["snapshots"])


def in_incus(estate: ContainerEstate, name: str = "isurus") -> tuple[int, int]:
    """Return how many snapshots Incus has of the container, and of the volume."""
    of_volume = f"storage-pools/{POOL}/volumes/custom/{name}/snapshots"
    return len(estate.api(f"instances/{name}/snapshots")), len(estate.api(of_volume))


def write_everywhere(estate: ContainerEstate, text: str) -> None:
    script = f'echo {text} >"$CLAUDE_CONFIG_DIR/mark"; echo {text} >"$HOME/mark"'
    inside(estate, script)
    (estate.local_repos / "isurus/mark").write_text(f"{text}\n")


def read_everywhere(estate: ContainerEstate) -> list[str]:
    script = 'cat "$CLAUDE_CONFIG_DIR/mark" "$HOME/mark" mark'
    return inside(estate, script).split()


@pytest.mark.over_ssh("fabric")
def test_container_volume_and_repo_go_back_together(isurus: ContainerEstate) -> None:
    write_everywhere(isurus, "before")
    config = isurus.instances()["isurus"]["config"]
    size = volumes(isurus)["isurus"]["size"]
    isurus.run("snapshot", "isurus", code=0)
    assert isurus.state("isurus") == "running"
    assert [one["parts"] for one in snapshots(isurus)] == [["container", "volume", "repo"]]
    write_everywhere(isurus, "after")
    isurus.incus("config", "set", "isurus", "user.mine", "new")
    done = isurus.run("undo", "isurus", "--yes", code=0)
    assert "done: stop isurus" in done.out
    assert "done: start isurus" in done.out
    assert read_everywhere(isurus) == ["before"] * 3
    after = isurus.instances()["isurus"]["config"]
    assert after["user.mine"] == "new", "an undo brings no configuration back"
    assert {k: v for k, v in after.items() if k.startswith("user.repoman")} == {
        k: v for k, v in config.items() if k.startswith("user.repoman")
    }
    assert volumes(isurus)["isurus"]["size"] == size
    assert isurus.findings() == {"isurus": ["kept"]}
    (kept,) = [one for one in snapshots(isurus) if one["replaced"]]
    assert kept["parts"] == ["container", "volume"]
    # What was replaced is there, too.
    again = ("undo", "isurus", "--container", "--at", kept["snapshot"], "--yes")
    isurus.run(*again, code=0)
    assert read_everywhere(isurus) == ["before", "after", "before"]
    isurus.run("undo", "isurus", "--forget", "--yes", code=0)
    assert in_incus(isurus) == (1, 1)
    assert isurus.findings() == {}


@pytest.mark.local_only("the test holds the lock")
def test_nobody_enters_while_a_snapshot_is_taken(isurus: ContainerEstate) -> None:
    """A program in it could change the repo while that is copied."""
    said = isurus.base / "said"
    path = isurus.home / ".config/repoman/locks/isurus.container.lock"
    for argv, result in (("exec isurus -- true", "running"), ("stop isurus", "stopped")):
        isurus.incus("pause", "isurus")
        with path.open("w") as lock, said.open("wb") as err:
            fcntl.flock(lock, fcntl.LOCK_EX)
            process = isurus.start(*argv.split(), stdout=subprocess.DEVNULL, stderr=err.fileno())
            wait_until(lambda: "waiting: another command is working on" in said.read_text())
            assert isurus.state("isurus") == "frozen"
            isurus.incus("resume", "isurus")
        assert process.wait(WAIT_SECONDS) == 0, said.read_text()
        assert isurus.state("isurus") == result
    # What a snapshot that was killed left frozen, nobody works on.
    isurus.run("start", "isurus", code=0)
    isurus.incus("pause", "isurus")
    assert "waiting" not in isurus.run("exec", "isurus", "--", "true", code=0).err


def test_one_part_of_a_stopped_container(isurus: ContainerEstate) -> None:
    write_everywhere(isurus, "before")
    isurus.run("stop", "isurus", code=0)
    isurus.run("snapshot", "isurus", code=0)
    isurus.run("start", "isurus", code=0)
    write_everywhere(isurus, "after")
    isurus.run("stop", "isurus", code=0)
    isurus.run("undo", "isurus", "--volume", "--yes", code=0)
    assert isurus.state("isurus") == "stopped"
    isurus.run("start", "isurus", code=0)
    assert read_everywhere(isurus) == ["before", "after", "after"]
    isurus.run("undo", "isurus", "--repo", "--yes", code=0)
    assert isurus.state("isurus") == "running"
    assert read_everywhere(isurus) == ["before", "after", "before"]


def test_the_snapshots_go_with_the_project(isurus: ContainerEstate) -> None:
    isurus.run("snapshot", "isurus", code=0)
    isurus.run("rename", "isurus", "lamna", "--yes", code=0)
    assert [one["parts"] for one in snapshots(isurus, "lamna")] == [["container", "volume", "repo"]]
    assert in_incus(isurus, "lamna") == (1, 1)
    isurus.run("undo", "lamna", "--yes", code=0)
    isurus.run("reset", "lamna", "--yes", code=0)
    assert in_incus(isurus, "lamna") == (0, 2)
    taken = snapshots(isurus, "lamna")[0]["snapshot"]
    isurus.run("snapshot", "remove", "lamna", taken, "--yes", code=0)
    assert in_incus(isurus, "lamna") == (0, 1)
    isurus.run("remove", "lamna", "--yes", code=0)
    assert volumes(isurus) == {}
    assert not list((isurus.home / ".local/state/repoman/mirrors").glob("*/snapshots/*"))


def test_a_project_of_an_earlier_version(isurus: ContainerEstate) -> None:
    isurus.incus("project", "unset", isurus.project, "restricted.snapshots")
    assert isurus.findings() == {}
    done = isurus.run("snapshot", "isurus", code=0)
    assert "done: allow snapshots in the Incus project" in done.out
    isurus.incus("project", "set", isurus.project, "restricted.snapshots=block")
    refused = isurus.run("snapshot", "isurus", code=REFUSED)
    cure = f"incus project set {isurus.project} restricted.snapshots=allow"
    assert f"`{cure}`" in refused.err
    assert in_incus(isurus) == (1, 1)


def test_a_pool_without_cheap_snapshots(estate: ContainerEstate) -> None:
    pool = f"dir{estate.project}"
    estate.incus("storage", "create", pool, "dir")
    try:
        estate.incus("profile", "device", "set", "default", "root", f"pool={pool}")
        estate.new("isurus")
        done = estate.run("snapshot", "isurus", code=0)
        assert "the container is not in it" in done.err
        assert [one["parts"] for one in snapshots(estate)] == [["repo"]]
        estate.run("remove", "isurus", "--yes", code=0)
    finally:
        estate.incus("profile", "device", "set", "default", "root", f"pool={POOL}", check=False)
        estate.incus("storage", "delete", pool, check=False)


def test_what_root_in_the_container_left(isurus: ContainerEstate) -> None:
    repo = isurus.local_repos / "isurus"
    isurus.run("snapshot", "isurus", code=0)
    made = 'mkdir -p "$0/d" && echo x >"$0/d/x" && ln -s / "$0/root" && mkfifo "$0/pipe"'
    assert isurus.exec_inside("isurus", "sh", "-c", made, str(repo)).code == 0
    refused = isurus.run("undo", "isurus", "--yes", code=REFUSED)
    assert "belongs to another user" in refused.err
    assert isurus.state("isurus") == "running"
    given = ("chown", "-Rh", str(os.getuid()), str(repo))
    assert isurus.exec_inside("isurus", *given).code == 0
    isurus.run("undo", "isurus", "--yes", code=0)
    assert list(repo.iterdir()) == []
    assert Path("/etc/passwd").exists()


@pytest.mark.local_only("the changes that kill it are counted in its own process")
def test_a_snapshot_that_is_killed(isurus: ContainerEstate) -> None:
    """Its container stays frozen, which is told; what it needs is deleted by the next one."""
    for number in range(1, 20):
        assert run_killed(isurus, "snapshot", "isurus", killed_at=number) == KILLED
        if isurus.state("isurus") == "frozen":
            break
    assert isurus.state("isurus") == "frozen"
    paste_cure(isurus, "frozen", answers=())
    assert isurus.state("isurus") == "running"
    assert isurus.findings() == {}


@pytest.mark.local_only("the changes that kill it are counted in its own process")
def test_a_killed_undo_brings_no_configuration_back(isurus: ContainerEstate) -> None:
    """Incus brings it back with the container, until repoman replaces it."""
    isurus.run("snapshot", "isurus", code=0)
    isurus.incus("config", "set", "isurus", "user.mine", "new")
    for number in range(5, 20):
        assert run_killed(isurus, "undo", "isurus", "--yes", killed_at=number) == KILLED
        if "user.mine" not in isurus.instances()["isurus"]["config"]:
            break
    assert "user.mine" not in isurus.instances()["isurus"]["config"]
    isurus.run("undo", "isurus", "--yes", code=0)
    assert isurus.instances()["isurus"]["config"]["user.mine"] == "new"
    assert isurus.findings() == {"isurus": ["kept"]}


def test_snapshots_of_a_person(isurus: ContainerEstate) -> None:
    """A container that has some is not rebuilt, and nothing else is lost for that."""
    isurus.run("snapshot", "isurus", code=0)
    isurus.incus("snapshot", "create", "isurus", "mine")
    isurus.exec_inside("isurus", "touch", "/installed")
    (isurus.local_repos / "isurus/.repoman.toml").write_text('image = "local:busybox"\n')
    for words in (("reset", "isurus", "--yes"), ("update", "isurus", "--rebuild")):
        refused = isurus.run(*words, code=REFUSED)
        assert "snapshots that repoman did not take" in refused.err
        assert isurus.state("isurus") == "running"
        assert isurus.exec_inside("isurus", "test", "-e", "/installed").code == 0
        assert in_incus(isurus) == (2, 1)
    (command,) = [argv for argv in commands(refused.err) if argv[0] == "incus"]
    assert run(command, {**isurus.environ, "INCUS_PROJECT": ""}).code == 0
    isurus.run("reset", "isurus", "--yes", code=0)
    assert in_incus(isurus) == (0, 1)


@pytest.mark.nightly
@pytest.mark.local_only("the changes that kill it are counted in its own process")
def test_an_undo_killed_at_each_change(isurus: ContainerEstate) -> None:
    write_everywhere(isurus, "before")
    isurus.run("snapshot", "isurus", code=0)
    for number in range(1, 40):
        write_everywhere(isurus, f"after-{number}")
        code = run_killed(isurus, "undo", "isurus", "--yes", killed_at=number)
        wait_until(lambda: not find_processes(str(isurus.base)))
        if code != KILLED:
            break
        isurus.run("undo", "isurus", "--yes", code=0)
        assert isurus.state("isurus") == "running"
        assert read_everywhere(isurus) == ["before"] * 3
        assert isurus.findings() == {"isurus": ["kept"]}
        isurus.run("undo", "isurus", "--forget", "--yes", code=0)
    assert code == 0
    assert number > 5

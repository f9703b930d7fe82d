"""The volume of a project: it outlives the container, and goes with the project."""

from __future__ import annotations

import os
import signal
import subprocess
from typing import Any

import pytest

from repoman_tasks.planning.container.spec import MAKING_TAG
from tests.containers.conftest import ContainerEstate
from tests.support.cures import paste_cure
from tests.support.processes import wait_until
from tests.worlds.daemon.sandbox import POOL

VOLUME = "/var/lib/repoman"


def volumes(estate: ContainerEstate) -> dict[str, dict[str, Any]]:
    found = estate.api(f"storage-pools/{POOL}/volumes/custom?recursion=1")
    return {one["name"]: one["config"] for one in found}


def inside(estate: ContainerEstate, script: str, name: str = "isurus") -> str:
    """Run a script as the user in a container; return what it prints."""
    return estate.run("exec", name, "--", "sh", "-c", script, code=0).out


def set_default(estate: ContainerEstate, line: str) -> None:
    text = estate.registry.read_text()
    estate.registry.write_text(text.replace("[defaults]\n", f"[defaults]\n{line}\n"))


def delete_container(estate: ContainerEstate) -> None:
    estate.incus("delete", "--force", "isurus")


# --- what it is ------------------------------------------------------------------------------


@pytest.mark.shared
def test_agents_and_shells_keep_their_state_on_it(isurus: ContainerEstate) -> None:
    made = inside(isurus, 'echo "$CLAUDE_CONFIG_DIR $CODEX_HOME $GEMINI_CLI_HOME $HISTFILE"')
    assert made == f"{VOLUME}/claude {VOLUME}/codex {VOLUME}/gemini {VOLUME}/history\n"
    owners = inside(isurus, f"stat -c '%a %u %n' {VOLUME} {VOLUME}/claude {VOLUME}/history")
    uid = os.getuid()
    assert owners.splitlines() == [
        f"700 {uid} {VOLUME}",
        f"700 {uid} {VOLUME}/claude",
        f"600 {uid} {VOLUME}/history",
    ]
    link = 'cd "$HOME/.local/share/opencode" && pwd -P'
    assert inside(isurus, link) == f"{VOLUME}/keep/.local%share%opencode\n"
    assert MAKING_TAG not in volumes(isurus)["isurus"]
    assert volumes(isurus)["isurus"]["size"] == "10GiB"
    assert isurus.findings() == {}


@pytest.mark.over_ssh
def test_it_outlives_the_container(isurus: ContainerEstate) -> None:
    inside(isurus, 'echo talk >"$CLAUDE_CONFIG_DIR/transcript"; echo make >>"$HISTFILE"')
    (isurus.local_repos / "isurus/.repoman.toml").write_text('image = "local:busybox"\n')
    inside(isurus, 'echo x >"$HOME/not-kept"')
    isurus.run("update", "isurus", "--rebuild", code=0)
    look = 'cat "$CLAUDE_CONFIG_DIR/transcript" "$HISTFILE"; ls -A "$HOME"'
    assert inside(isurus, look).splitlines()[:2] == ["talk", "make"]
    assert "not-kept" not in inside(isurus, look)
    delete_container(isurus)
    isurus.run("status", "--missing", "recreate")
    assert inside(isurus, look).splitlines()[:2] == ["talk", "make"]
    assert isurus.findings() == {}


def test_the_history_of_bash_outlives_the_container(estate: ContainerEstate) -> None:
    estate.new("isurus", "--image", "debian")
    typed = 'set -o history; history -s "make everything"; history -a'
    estate.run("exec", "isurus", "--", "bash", "-c", typed, code=0)
    (estate.local_repos / "isurus/.repoman.toml").write_text('image = "local:debian"\n')
    estate.run("update", "isurus", "--rebuild", code=0)
    found = estate.run("exec", "isurus", "--", "bash", "-c", "set -o history; history")
    assert "make everything" in found.out


def test_it_is_removed_with_the_project(isurus: ContainerEstate) -> None:
    shown = isurus.run("remove", "isurus", "--dry-run", code=0).out
    assert "would delete the volume isurus: its agents' state, shell history" in shown
    isurus.run("remove", "isurus", "--yes", code=0)
    assert volumes(isurus) == {}


def test_it_is_kept_on_request_and_found_by_the_next_project(isurus: ContainerEstate) -> None:
    inside(isurus, 'echo talk >"$CLAUDE_CONFIG_DIR/transcript"')
    isurus.run("remove", "isurus", "--keep-volume", "--yes", code=0)
    (finding,) = [
        f for f in isurus.run("status", "--json").json["findings"] if f["kind"] == "volume"
    ]
    assert (finding["subject"], finding["kind"], finding["problem"]) == ("isurus", "volume", False)
    done = isurus.run("new", "isurus", code=0)
    assert "isurus gets the volume of that name, which exists already" in done.err
    assert inside(isurus, 'cat "$CLAUDE_CONFIG_DIR/transcript"') == "talk\n"
    isurus.run("remove", "isurus", "--keep-volume", "--yes", code=0)
    isurus.run("remove", "isurus", "--yes", code=0)
    assert volumes(isurus) == {}
    assert isurus.findings() == {}


def test_a_forgotten_container_leaves_it_with_a_cure(isurus: ContainerEstate) -> None:
    delete_container(isurus)
    isurus.run("status", "--missing", "forget", "--yes")
    paste_cure(isurus, "volume")
    assert volumes(isurus) == {}
    assert isurus.findings() == {}


@pytest.mark.parametrize(("number", "left"), [(0, ["isurus"]), (1, [])])
def test_both_ways_out_of_a_volume_without_a_project(
    isurus: ContainerEstate, number: int, left: list[str]
) -> None:
    isurus.run("remove", "isurus", "--keep-volume", "--yes", code=0)
    paste_cure(isurus, "volume", number)
    assert list(volumes(isurus)) == left
    assert isurus.findings() == {}


def test_a_volume_that_is_gone_is_created_again(isurus: ContainerEstate) -> None:
    isurus.incus("stop", "--force", "isurus")
    config = isurus.instances()["isurus"]["devices"]["volume"]
    isurus.incus("config", "device", "remove", "isurus", "volume")
    isurus.incus("storage", "volume", "delete", "--project", isurus.project, POOL, "isurus")
    isurus.run("update", "isurus", code=0)
    assert isurus.instances()["isurus"]["devices"]["volume"] == config
    isurus.run("start", "isurus", code=0)
    assert inside(isurus, 'echo x >"$CLAUDE_CONFIG_DIR/y"') == ""
    assert isurus.findings() == {}


# --- containers of earlier versions ------------------------------------------------------------


def test_a_container_of_an_earlier_version_gets_one(isurus: ContainerEstate) -> None:
    """Running, then stopped."""
    for argv in (("start", "isurus"), ("stop", "isurus")):
        isurus.incus("config", "device", "remove", "isurus", "volume")
        isurus.incus("config", "unset", "isurus", "environment.CLAUDE_CONFIG_DIR")
        isurus.incus("storage", "volume", "delete", "--project", isurus.project, POOL, "isurus")
        isurus.run(*argv, code=0)
        assert isurus.findings() == {"isurus": ["differs"]}
        isurus.run("exec", "isurus", "--", "true", code=0)  # it works as before
        isurus.run(*argv, code=0)
        isurus.run("update", "isurus", code=0)
        assert isurus.findings() == {}
        assert inside(isurus, 'echo talk >"$CLAUDE_CONFIG_DIR/x"; echo $?') == "0\n"
        assert isurus.run("update", "isurus", code=0).out == "nothing to do\n"


# --- folders to keep ---------------------------------------------------------------------------


def test_folders_of_the_home_are_kept(isurus: ContainerEstate) -> None:
    inside(isurus, 'mkdir -p "$HOME/.cache/pip" && echo wheel >"$HOME/.cache/pip/x"')
    text = isurus.registry.read_text()
    keep = 'name = "isurus"\nkeep = ["~/.cache/pip", "notes"]\n'
    isurus.registry.write_text(text.replace('name = "isurus"\n', keep))
    isurus.run("update", "isurus", code=0)
    look = 'cat "$HOME/.cache/pip/x"; cd "$HOME/.cache/pip"; pwd -P; cd "$HOME/notes"; pwd -P'
    kept = ["wheel", f"{VOLUME}/keep/.cache%pip", f"{VOLUME}/keep/notes"]
    assert inside(isurus, look).splitlines() == kept
    assert isurus.run("update", "isurus", code=0).out == "nothing to do\n"
    delete_container(isurus)
    isurus.run("status", "--missing", "recreate")
    assert inside(isurus, look).splitlines() == kept


def test_nothing_is_overwritten_when_both_have_content(isurus: ContainerEstate) -> None:
    set_default(isurus, 'keep = ["notes"]')
    isurus.run("restart", "isurus", code=0)
    swap = 'cd "$HOME"; echo kept >notes/x; rm notes; mkdir notes; echo new >notes/x'
    inside(isurus, swap)
    isurus.run("restart", "isurus", code=0)
    assert inside(isurus, 'cat "$HOME/notes/x" "$HOME/notes.before-keep/x"') == "kept\nnew\n"
    inside(isurus, swap)
    done = isurus.run("restart", "isurus", code=1)
    assert "notes and notes.before-keep exist both: move one away" in done.err
    assert inside(isurus, 'cat "$HOME/notes/x" "$HOME/notes.before-keep/x"') == "new\nnew\n"


def test_a_mounted_folder_is_never_moved(isurus: ContainerEstate) -> None:
    """To move it would delete what is mounted."""
    home = inside(isurus, "cd && pwd -P").strip()
    (isurus.local_repos / "lamna/src").mkdir(parents=True)
    (isurus.local_repos / "lamna/src/main.py").write_text("precious\n")
    mount = f'{{source = "{isurus.local_repos}/lamna", path = "{home}/code/lamna"}}'
    text = isurus.registry.read_text()
    for keep in ("code", "code/lamna", "code/lamna/src"):
        lines = f'name = "isurus"\nmounts = [{mount}]\nkeep = ["notes", "{keep}"]\n'
        isurus.registry.write_text(text.replace('name = "isurus"\n', lines))
        isurus.run("update", "isurus")
        done = isurus.run("restart", "isurus", code=1)
        assert "holds a mounted folder, or is in one: it can't be kept" in done.err, keep
        assert (isurus.local_repos / "lamna/src/main.py").read_text() == "precious\n", keep
    assert inside(isurus, 'cd "$HOME/notes" && pwd -P') == f"{VOLUME}/keep/notes\n"


# --- limits ------------------------------------------------------------------------------------


def test_its_size_is_limited(estate: ContainerEstate) -> None:
    set_default(estate, 'volume_size = "20MiB"')
    estate.new("isurus")
    fill = f"dd if=/dev/urandom of={VOLUME}/big bs=1M count=64 2>&1; sync; du -m {VOLUME}/big"
    filled = estate.exec_inside("isurus", "sh", "-c", fill)
    assert "No space left" in filled.out or "quota exceeded" in filled.out, filled
    text = estate.registry.read_text()
    estate.registry.write_text(text.replace("20MiB", "200MiB"))
    done = estate.run("update", "isurus", code=0)
    assert "limit the volume isurus to 200MiB" in done.out
    filled = estate.exec_inside("isurus", "sh", "-c", fill)
    assert "No space left" not in filled.out, filled
    assert "quota exceeded" not in filled.out, filled


# --- interruptions -----------------------------------------------------------------------------


def kill_after_volume(estate: ContainerEstate) -> None:
    """Kill `new` when its volume exists and its project is not registered."""
    process = estate.start("new", "isurus", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_until(lambda: volumes(estate) or process.poll() is not None)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert estate.projects() == []
    operations = f"local:/1.0/operations?project={estate.project}"
    wait_until(lambda: not estate.incus("query", operations).out.count('"running"'))


def test_a_half_made_volume_is_used_by_the_next_new(estate: ContainerEstate) -> None:
    (estate.local_repos / "isurus").mkdir()
    kill_after_volume(estate)
    assert MAKING_TAG in volumes(estate)["isurus"]
    assert "exists already" not in estate.run("new", "isurus", code=0).err
    assert MAKING_TAG not in volumes(estate)["isurus"]
    assert estate.findings() == {}


def test_a_half_made_volume_is_removed_by_a_repair(estate: ContainerEstate) -> None:
    (estate.local_repos / "isurus").mkdir()
    kill_after_volume(estate)
    if "isurus" in estate.instances():
        # Incus may be busy starting it still.
        delete = ("delete", "--force", "isurus")
        wait_until(lambda: estate.incus(*delete, check=False).code == 0)
    assert estate.findings() == {"isurus": ["half-made-volume"]}
    paste_cure(estate, "half-made-volume", 1)
    assert volumes(estate) == {}
    assert estate.findings() == {}


def test_a_new_that_fails_leaves_no_volume(estate: ContainerEstate) -> None:
    (estate.local_repos / "isurus").mkdir()
    estate.incus("profile", "device", "set", "default", "root", "size=1MiB")
    estate.run("new", "isurus", "--image", "debian", code=1)
    assert estate.instances() == {}
    assert volumes(estate) == {}

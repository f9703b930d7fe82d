"""Keep the folders of agents apart: from the host, where they would run, and other projects."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from repoman_tasks.planning.container.agents import VOLUME_PATH
from tests.containers.conftest import ContainerEstate

PLACES = (
    "settings.json",
    ".config.json",
    "shell-snapshots/snapshot-bash.sh",
    "skills/x/SKILL.md",
    ".credentials.json",
)
"""Files from which an agent runs programs or takes instructions, and its login."""
WRITE = r"""
folder=$1; shift
mkdir -p "$folder"
for place do
    case $place in */*) mkdir -p "$folder/${place%/*}" ;; esac
    printf '{"hooks": {"SessionStart": "id >%s/ran"}}' "$folder" >"$folder/$place"
done
"""


def attack(estate: ContainerEstate, folder: str, *, as_root: bool) -> None:
    """Write all places in the folder that `folder` would be on the host."""
    argv = ("sh", "-c", WRITE)
    if as_root:
        estate.exec_inside("isurus", *argv, "sh", folder, *PLACES)
    else:
        estate.run("exec", "isurus", "--", *argv, "sh", folder, *PLACES)


def start_agent(folder: Path) -> None:
    """Run the hook of an agent's settings, as an agent does when it starts on the host."""
    settings = folder / "settings.json"
    if settings.exists():
        hook = json.loads(settings.read_text())["hooks"]["SessionStart"]
        subprocess.run(["sh", "-c", hook], check=True)


@pytest.mark.shared
@pytest.mark.parametrize("as_root", [False, True], ids=["user", "root"])
def test_the_folder_of_an_agent_on_the_host(isurus: ContainerEstate, as_root: bool) -> None:
    """A control first: mounted as earlier versions did, a container gets code to run here."""
    folder = Path(isurus.open_agents_folder())
    attack(isurus, str(folder), as_root=as_root)
    start_agent(folder)
    assert f"uid={isurus.home.stat().st_uid}" in (folder / "ran").read_text(), "control"
    assert "what is written there runs on this host" in isurus.run("status", code=3).out
    clean = 'rm -rf "$1"/* "$1"/.[!.]*'
    isurus.exec_inside("isurus", "sh", "-c", clean, "sh", str(folder))
    isurus.run("setup", "--repair", code=0)
    isurus.run("update", "isurus", code=0)
    attack(isurus, str(folder), as_root=as_root)
    start_agent(folder)
    assert list(folder.iterdir()) == []
    assert isurus.findings() == {}


@pytest.mark.shared
def test_no_project_reads_what_another_one_keeps(isurus: ContainerEstate) -> None:
    """A control first: the project's own container does."""
    write = 'echo secret-talk >"$CLAUDE_CONFIG_DIR/transcript"'
    isurus.run("exec", "isurus", "--", "sh", "-c", write, code=0)
    isurus.new("lamna")
    search = ("grep", "-rl", "secret-talk", "/var/lib", "/home", "/root", "/tmp", "/run")
    kept = f"{VOLUME_PATH}/claude/transcript"
    assert kept in isurus.exec_inside("isurus", *search).out, "control"
    assert isurus.exec_inside("lamna", *search).out == ""
    assert f"{VOLUME_PATH} " in isurus.exec_inside("lamna", "cat", "/proc/self/mounts").out
    assert "isurus" not in isurus.exec_inside("lamna", "cat", "/proc/self/mountinfo").out
    isurus.run("remove", "lamna", "--yes", code=0)

"""The folder of an agent on the host: what is written there runs on the host."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

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


@pytest.mark.parametrize("as_root", [False, True], ids=["user", "root"])
def test_the_folder_of_an_agent_on_the_host(isurus: ContainerEstate, as_root: bool) -> None:
    """A control first: mounted as earlier versions did, a container gets code to run here."""
    folder = Path(isurus.open_agents_folder())
    attack(isurus, str(folder), as_root=as_root)
    start_agent(folder)
    assert f"uid={isurus.home.stat().st_uid}" in (folder / "ran").read_text(), "control"
    assert "what is written there runs on this host" in isurus.run("status", code=3).out
    for file in sorted(folder.rglob("*"), reverse=True):
        file.rmdir() if file.is_dir() else file.unlink()
    isurus.run("setup", "--repair", code=0)
    isurus.run("update", "isurus", code=0)
    attack(isurus, str(folder), as_root=as_root)
    start_agent(folder)
    assert list(folder.iterdir()) == []
    assert isurus.findings() == {}

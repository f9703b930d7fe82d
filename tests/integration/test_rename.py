"""`rename`: everything that has the name of a project, once, again and interrupted."""

from __future__ import annotations

import json
import re

import pytest

from repoman_tasks.registry import parse
from tests.support.cures import paste_cure
from tests.support.estate import Estate, hash_tree


@pytest.fixture
def isurus(estate: Estate) -> Estate:
    """Return an estate with two mirrored projects."""
    estate.prepare("isurus", "notes")
    estate.run("sync", code=0)
    estate.run("verify", code=0)
    return estate


def projects(estate: Estate) -> dict[str, str]:
    """Return the names of all projects, each with the folder of its repo."""
    registry = parse(estate.registry.read_text(), "", {})
    assert not any(project.renaming for project in registry.projects)
    return {project.name: project.repo for project in registry.projects}


def named_in_state(estate: Estate, name: str) -> list[str]:
    """Return the files of the state that name a project, but for the names to complete."""
    state = estate.home / ".local/state/repoman"
    # The next sync makes the copy of the registry anew.
    files = [p for p in state.rglob("*") if p.is_file() and not p.name.startswith("registry-copy")]
    quoted = f'"{name}"'.encode()
    return [str(path) for path in files if name in path.name or quoted in path.read_bytes()]


@pytest.mark.over_ssh
def test_a_project_gets_another_name(isurus: Estate) -> None:
    before = {**hash_tree(isurus.local_repos), **hash_tree(isurus.share)}
    dry = isurus.run("rename", "isurus", "lamna", "--dry-run", code=0).out.splitlines()
    assert "would rename isurus to lamna in the registry" in dry
    assert projects(isurus) == {"isurus": "isurus", "notes": "notes"}
    isurus.run("rename", "isurus", "lamna", "--yes", code=0)
    assert projects(isurus) == {"lamna": "isurus", "notes": "notes"}
    assert {**hash_tree(isurus.local_repos), **hash_tree(isurus.share)} == before
    assert named_in_state(isurus, "isurus") == []
    rows = {row["name"]: row for row in isurus.run("list", "--json", code=0).json["projects"]}
    assert rows["lamna"]["last_verified"]
    assert {one["project"] for one in isurus.run("log", "lamna", "--json", code=0).json["records"]}
    assert isurus.run("sync", "--json", code=0).json["total"]["new"] == 0
    error = isurus.run("rename", "isurus", "lamna", "--yes", code=2).err
    assert "no project is called 'isurus'" in error


@pytest.mark.over_ssh
def test_its_folder_and_mirror_are_renamed_on_request(isurus: Estate) -> None:
    repo = isurus.local_repos / "isurus"
    inode, mirrored = (path.stat().st_ino for path in (repo, isurus.mirror("isurus")))
    isurus.run("rename", "isurus", "lamna", "--folder", "--yes", code=0)
    assert projects(isurus) == {"lamna": "lamna", "notes": "notes"}
    assert not repo.exists()
    assert (isurus.local_repos / "lamna").stat().st_ino == inode
    assert not isurus.mirror("isurus").exists()
    assert isurus.mirror("lamna").stat().st_ino == mirrored, "a rename, not a copy"
    done = isurus.run("sync", "--json", code=0).json
    assert done["total"]["new"] == done["total"]["deleted"] == 0
    assert isurus.run("verify", "lamna").code == 0


def test_a_folder_below_another_stays_there(isurus: Estate) -> None:
    (isurus.local_repos / "group").mkdir()
    isurus.repo("group/sub")
    isurus.run("new", "sub", "--repo", "group/sub", "--no-container", code=0)
    isurus.run("rename", "sub", "lamna", "--folder", "--yes", code=0)
    assert projects(isurus)["lamna"] == "group/lamna"


@pytest.mark.parametrize(
    ("argv", "code", "says"),
    [
        ([], 2, "rename needs two names"),
        (["isurus"], 2, "rename needs two names"),
        (["nosuch", "lamna"], 2, "no project is called"),
        (["isurus", "notes"], 2, "a project called 'notes' exists already"),
        (["isurus", "isurus"], 2, "a project called 'isurus' exists already"),
        (["isurus", "a_b"], 2, "not a valid project name"),
        (["isurus", "sync"], 2, "is a command"),
        (["isurus", "folder", "--folder"], 6, "a folder called folder exists already"),
        (["isurus", "mirror", "--folder"], 6, "a mirror called mirror exists already"),
    ],
)
@pytest.mark.over_ssh
def test_rename_refuses(isurus: Estate, argv: list[str], code: int, says: str) -> None:
    (isurus.local_repos / "folder").mkdir()
    isurus.mirror("mirror").mkdir()
    before = isurus.hash_files()
    assert says in isurus.run("rename", *argv, "--yes", code=code).err
    assert isurus.hash_files() == before


STEPS = ("the mirror", "the folder", "the state", "the registry")


def broken_at(estate: Estate, step: str, act: str) -> dict[str, str]:
    """Return an environment in which a program on PATH does `act` at a step of a rename."""
    fake = estate.base / "bin/mv"
    fake.parent.mkdir()
    pattern = {
        "the mirror": f"*/proc/*/isurus*|*{estate.share}/isurus*",
        "the folder": f"*{estate.local_repos}/isurus*",
        "the state": "*/manifests/isurus*",
        "the registry": "*",
    }[step]
    fake.write_text(
        f'#!/bin/sh\ncase "$*" in {pattern}) {act}; exit 1 ;; esac\nexec /usr/bin/mv "$@"\n'
    )
    fake.chmod(0o755)
    return {"PATH": f"{fake.parent}:{estate.environ['PATH']}", "REPOMAN_TEST_NO_FORK": "1"}


RENAME = ["rename", "isurus", "lamna", "--folder", "--yes"]


@pytest.mark.parametrize("step", STEPS[:3])
def test_what_fails_says_how_to_complete_it_and_nothing_takes_its_half(
    isurus: Estate, step: str
) -> None:
    environ = broken_at(isurus, step, "echo mv: refused >&2")
    error = isurus.run(*RENAME, environ=environ, code=1).err
    assert "refused" in error
    (cure,) = re.findall(r"was not completed: run `repoman ([^`]*)`", error)
    found = isurus.run("status", "--json").json["findings"]
    assert {one["subject"] for one in found if one["kind"] in ("rename", "folder", "mirror")} == {
        "isurus"
    }
    for argv, code in (
        (["remove", "lamna", "--mirror"], 6),
        (["remove", "lamna"], 1),
        (["new", "lamna", "--no-container"], 2),
        (["new", "other", "--repo", "lamna", "--no-container"], 2),
        (["restore", "isurus"], 1),
        (["restore", "lamna"], 1),
    ):
        isurus.run(*argv, "--yes", code=code)
    isurus.run(*cure.split(), "--yes", code=0)
    assert projects(isurus) == {"lamna": "lamna", "notes": "notes"}
    assert json.loads(isurus.run("sync", "--json", code=0).out)["total"]["new"] == 0


@pytest.mark.parametrize("broken", STEPS)
def test_what_is_interrupted_goes_on(isurus: Estate, broken: str) -> None:
    """The command ends at one of its steps, as by a crash."""
    process = isurus.run(*RENAME, environ=broken_at(isurus, broken, "kill -9 $PPID"))
    assert process.code != 0
    registry = parse(isurus.registry.read_text(), "", {})
    (half,) = [project for project in registry.projects if project.renaming]
    assert (half.name, half.renaming, half.renaming_repo) == ("isurus", "lamna", "lamna")
    found = isurus.run("status", "--json").json["findings"]
    assert [one["kind"] for one in found if one["subject"] == "isurus"] == ["rename"]
    assert "was not completed" in isurus.run("sync", "isurus", code=6).err
    assert "was not completed" in isurus.run("remove", "isurus", "--yes", code=1).err
    isurus.run("rename", "isurus", "other", "--yes", code=2)
    paste_cure(isurus, "rename")
    assert projects(isurus) == {"lamna": "lamna", "notes": "notes"}
    assert sorted(p.name for p in isurus.local_repos.iterdir()) == ["lamna", "notes"]
    assert isurus.mirror("lamna").is_dir()
    assert not isurus.mirror("isurus").exists()
    assert named_in_state(isurus, "isurus") == []
    assert json.loads(isurus.run("sync", "--json", code=0).out)["total"]["new"] == 0


def test_a_seen_file_and_an_approval_go_along(isurus: Estate) -> None:
    state = isurus.home / ".local/state/repoman"
    hook = isurus.local_repos / "isurus/.git/hooks/post-commit"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\n")
    hook.chmod(0o755)
    isurus.run("status", "isurus")
    isurus.run("status", "isurus", "--seen")
    before = sorted(path.read_text() for path in (state / "seen").glob("*.json"))
    isurus.run("rename", "isurus", "lamna", "--folder", "--yes", code=0)
    assert sorted(path.read_text() for path in (state / "seen").glob("*.json")) == before

"""Snapshots of repos on their own host, and the way back, without a container."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import stat
from pathlib import Path
from typing import Any

import pytest

from tests.integration.test_mirror import REFUSED
from tests.support.estate import Estate, hash_tree, run
from tests.support.json_schemas import find_schema_errors
from tests.support.killing import run_killed
from tests.support.odd_files import make_odd_files
from tests.support.processes import find_processes, wait_until

KILLED, USAGE, INTERRUPTED = -9, 2, 130


@pytest.fixture
def isurus(estate: Estate) -> Estate:
    """Return an estate whose project isurus has files of odd names and kinds, and uncommitted."""
    estate.prepare("isurus")
    repo = estate.local_repos / "isurus"
    make_odd_files(repo)
    (repo / "uncommitted").write_text("half a thought\n")
    return estate


def copies(estate: Estate) -> Path:
    """Return the folder of the copies of isurus."""
    (folder,) = (estate.home / ".local/state/repoman/mirrors").glob("*/snapshots")
    return folder / "isurus"


def snapshots(estate: Estate) -> list[dict[str, Any]]:
    found = estate.run("snapshot", "list", "isurus", "--json", code=0).json
    assert find_schema_errors("snapshot", found) == []
    return list(found["snapshots"])


def kinds(estate: Estate) -> list[str]:
    """Return the kinds of findings about undos."""
    findings = estate.run("status", "--json").json["findings"]
    return [one["kind"] for one in findings if one["kind"] in ("undo", "kept")]


def without_pipes(tree: dict[str, str], folder: Path) -> dict[str, str]:
    """Leave out pipes, which hold no data, and the times of folders."""
    return {
        path: value
        for path, value in tree.items()
        if not stat.S_ISFIFO((folder / path).lstat().st_mode) and not (folder / path).is_dir()
    }


def wreck(repo: Path) -> None:
    """Do what an agent may do that went mad."""
    shutil.rmtree(repo / ".git")
    (repo / "uncommitted").write_text("HALF A THOUGHT\n")
    os.utime(repo / "uncommitted", ns=(10**18, 10**18))
    (repo / "README.md").unlink()
    (repo / "README.md").symlink_to("/etc/passwd")
    (repo / "docs").rename(repo / "elsewhere")
    (repo / "docs").symlink_to("/")
    (repo / "new\nline").write_text("x")
    os.mkfifo(repo / "pipe of the agent")


@pytest.mark.over_ssh
def test_uncommitted_files_come_back(isurus: Estate) -> None:
    repo = isurus.local_repos / "isurus"
    before = without_pipes(hash_tree(repo), repo)
    isurus.run("snapshot", "isurus", code=0)
    (taken,) = snapshots(isurus)
    assert (taken["parts"], taken["replaced"]) == (["repo"], False)
    assert copies(isurus).stat().st_mode & 0o077 == 0
    inode = repo.stat().st_ino
    wreck(repo)
    dry = isurus.run("undo", "isurus", "--dry-run", code=0).out
    assert "deleted" in dry
    assert "new\\nline" in dry
    assert (repo / "docs").is_symlink(), "a dry run changes nothing"
    isurus.run("undo", "isurus", "--yes", code=0)
    assert without_pipes(hash_tree(repo), repo) == before
    assert repo.stat().st_ino == inode, "what is mounted stays the same folder"
    assert kinds(isurus) == ["kept"]
    (aside,) = copies(isurus).glob("undo-*/repo")
    assert (aside / "uncommitted").read_text() == "HALF A THOUGHT\n"
    assert (aside / "new\nline").read_text() == "x"
    assert (aside / "elsewhere/plan.md").read_text() == "the plan\n"
    listed = isurus.run("list", "--json", code=0).json["projects"][0]["notes"]
    assert [note for note in listed if note.startswith("undo keeps what it replaced")]
    isurus.run("undo", "isurus", "--forget", "--yes", code=0)
    assert kinds(isurus) == []
    assert not aside.parent.exists()
    assert [one["snapshot"] for one in snapshots(isurus)] == [taken["snapshot"]]


def test_nothing_to_go_back_to(isurus: Estate) -> None:
    assert "has no snapshot" in isurus.run("undo", "isurus", code=1).err
    isurus.run("snapshot", "isurus", code=0)
    assert "nothing to do" in isurus.run("undo", "isurus", "--yes", code=0).out
    assert "nothing to do" in isurus.run("undo", "isurus", "--forget", "--yes", code=0).out
    assert "no container" in isurus.run("undo", "isurus", "--container", code=USAGE).err
    assert "no snapshot 'x'" in isurus.run("undo", "isurus", "--at", "x", code=1).err
    assert kinds(isurus) == []


def test_nothing_is_done_without_a_yes(isurus: Estate) -> None:
    isurus.run("snapshot", "isurus", code=0)
    wreck(isurus.local_repos / "isurus")
    before = isurus.hash_files()
    isurus.run("undo", "isurus", code=USAGE)
    assert isurus.hash_files() == before


def test_an_older_one(isurus: Estate) -> None:
    file = isurus.local_repos / "isurus/uncommitted"
    for text in ("one", "two"):
        file.write_text(text)
        isurus.run("snapshot", "isurus", code=0)
    first, second = [one["snapshot"] for one in snapshots(isurus)]
    assert first != second
    isurus.run("undo", "isurus", "--at", first, "--yes", code=0)
    assert file.read_text() == "one"
    isurus.run("snapshot", "remove", "isurus", first, "--yes", code=0)
    isurus.run("undo", "isurus", "--at", first, "--yes", code=1)
    isurus.run("undo", "isurus", "--yes", code=0)
    assert file.read_text() == "two"
    kept = [one["snapshot"] for one in snapshots(isurus) if one["replaced"]]
    refused = isurus.run("snapshot", "remove", "isurus", kept[0], "--yes")
    assert refused.code != 0
    assert isurus.run("undo", "isurus", "--forget", "--yes", code=0)


def test_a_lost_repo(isurus: Estate) -> None:
    repo = isurus.local_repos / "isurus"
    before = without_pipes(hash_tree(repo), repo)
    isurus.run("snapshot", "isurus", code=0)
    shutil.rmtree(repo)
    isurus.run("undo", "isurus", "--yes", code=0)
    assert without_pipes(hash_tree(repo), repo) == before


NOT_AS_ROOT = pytest.mark.skipif(not os.geteuid(), reason="not here: root reads everything")


@NOT_AS_ROOT
def test_what_cannot_be_read_is_told_and_undo_leaves_it(isurus: Estate) -> None:
    repo = isurus.local_repos / "isurus"
    closed, file = repo / "closed", repo / "[odd]\n*"
    closed.mkdir()
    for path in (closed / "x", file, repo / "draft"):
        path.write_text("before")
    closed.chmod(0)
    file.chmod(0)
    done = isurus.run("snapshot", "isurus", code=0)
    assert (
        f"not in the snapshot of {repo}, as it can't be read, and left as it is by undo" in done.err
    )
    assert "closed" in done.err
    closed.chmod(0o755)
    file.chmod(0o644)
    for path in (closed / "x", file, repo / "draft", repo / "[odd]\nx", closed / "new"):
        path.write_text("after")
    done = isurus.run("undo", "isurus", "--yes", code=0)
    assert "2 paths that could not be read stay as now" in done.err
    assert (repo / "draft").read_text() == "before"
    assert (closed / "x").read_text() == file.read_text() == (closed / "new").read_text() == "after"
    assert not (repo / "[odd]\nx").exists(), "the name is no pattern"


@NOT_AS_ROOT
def test_a_copy_that_lacks_more_is_none(isurus: Estate) -> None:
    """cp fails as on a full disk, too, after it has met a file that can't be read."""
    repo = isurus.local_repos / "isurus"
    (repo / "closed").write_text("x")
    (repo / "closed").chmod(0)
    (repo / "large").write_text("x" * 1_000_000)
    script = 'trap "" XFSZ; ulimit -f 500; exec "$@"'  # blocks of 512 bytes
    done = run(["sh", "-c", script, "sh", *isurus.argv, "snapshot", "isurus"], isurus.environ)
    assert done.code == 1, done
    assert "can't be copied" in done.err
    assert snapshots(isurus) == []
    assert list(copies(isurus).iterdir()) == [], "nothing is left"


def test_folders_that_are_read_only(isurus: Estate) -> None:
    folder = isurus.local_repos / "isurus/module"
    folder.mkdir()
    (folder / "x").write_text("x")
    folder.chmod(0o555)
    isurus.run("snapshot", "isurus", code=0)
    folder.chmod(0o755)
    (folder / "x").write_text("changed")
    folder.chmod(0o555)
    isurus.run("undo", "isurus", "--yes", code=0)
    assert (folder / "x").read_text() == "x"
    isurus.run("snapshot", "remove", "isurus", snapshots(isurus)[0]["snapshot"], "--yes", code=0)
    isurus.run("undo", "isurus", "--forget", "--yes", code=0)
    assert list(copies(isurus).iterdir()) == []
    folder.chmod(0o755)


def test_the_oldest_go(isurus: Estate) -> None:
    isurus.run("snapshot", "isurus", code=0)
    folder, taken = copies(isurus), snapshots(isurus)[0]["snapshot"]
    for number in range(10):
        shutil.copytree(folder / taken, folder / f"2{number:03}1128T010203Z", symlinks=True)
    (folder / "20261128T010203Z").mkdir()
    (folder / "mine").mkdir()
    isurus.run("snapshot", "isurus", code=0)
    left = sorted(path.name for path in folder.iterdir())
    assert "20001128T010203Z" not in left
    assert "mine" in left, "only repoman's own are removed"


def test_rename_remove_and_uninstall(isurus: Estate) -> None:
    isurus.run("snapshot", "isurus", code=0)
    folder = copies(isurus)
    isurus.run("rename", "isurus", "lamna", "--yes", code=0)
    found = isurus.run("snapshot", "list", "lamna", "--json", code=0).json["snapshots"]
    assert [one["parts"] for one in found] == [["repo"]]
    dry = isurus.run("uninstall", "--dry-run", code=0).out
    assert f"would delete {folder.parent} with all that is in it" in dry
    done = isurus.run("remove", "lamna", "--yes", code=0)
    assert f"delete {folder.parent}/lamna" in done.out
    assert list(folder.parent.iterdir()) == []


@pytest.mark.parametrize(
    "words",
    [
        ("snapshot", "isurus", "lamna"),
        ("snapshot", "isurus", "--json"),
        ("snapshot", "remove", "isurus"),
        ("snapshot", "nobody"),
        ("undo", "isurus", "--forget", "--repo"),
    ],
)
def test_words_that_mean_nothing(isurus: Estate, words: tuple[str, ...]) -> None:
    before = isurus.hash_files()
    isurus.run(*words, code=USAGE)
    assert isurus.hash_files() == before


@pytest.mark.local_only("the changes that kill it are counted in its own process")
def test_an_undo_killed_at_each_change(isurus: Estate) -> None:
    repo = isurus.local_repos / "isurus"
    before = without_pipes(hash_tree(repo), repo)
    isurus.run("snapshot", "isurus", code=0)
    for number in range(1, 30):
        (repo / "uncommitted").write_text(f"work {number}")
        (repo / f"new {number}").write_text("mine")
        code = run_killed(isurus, "undo", "isurus", "--yes", killed_at=number)
        wait_until(lambda: not find_processes(str(isurus.base)))  # rsync may live on
        if code != KILLED:
            break
        begun = kinds(isurus)
        if "undo" in begun:
            cure = f"`repoman undo isurus{isurus.host_flag}`"
            assert cure in isurus.run("status", "isurus").out
        kept = {path.read_text() for path in copies(isurus).glob("undo-*/repo/uncommitted")}
        assert (repo / "uncommitted").read_text() == f"work {number}" or f"work {number}" in kept
        (repo / "uncommitted").write_text(f"between {number}")
        isurus.run("undo", "isurus", "--yes", code=0)
        after = {path.read_text() for path in copies(isurus).glob("undo-*/repo/uncommitted")}
        assert after == {*kept, f"between {number}"}, "what each try replaces is kept"
        assert without_pipes(hash_tree(repo), repo) == before
        assert kinds(isurus) == ["kept"]
    assert code == 0
    assert number > 3


@pytest.mark.local_only("the test holds the lock")
def test_an_undo_while_a_sync_runs_begins_nothing(isurus: Estate) -> None:
    isurus.run("sync", "isurus", code=0)
    isurus.run("snapshot", "isurus", code=0)
    file = isurus.local_repos / "isurus/uncommitted"
    file.write_text("after")
    with (isurus.home / ".config/repoman/locks/isurus.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        busy = isurus.run("undo", "isurus", "--yes", code=4)
    assert "a sync or restore of isurus is running" in busy.err
    assert kinds(isurus) == []
    isurus.run("undo", "isurus", "--yes", code=0)
    assert file.read_text() != "after"


@pytest.mark.parametrize("command", ["snapshot remove isurus", "remove isurus"])
def test_a_removal_that_is_killed_leaves_no_half_of_a_copy(isurus: Estate, command: str) -> None:
    """`rm` is killed after the first file that it deletes."""
    isurus.run("snapshot", "isurus", code=0)
    folder = isurus.base / "killed"
    folder.mkdir()
    program = folder / "rm"
    program.write_text(
        f'#!/bin/sh\nfor last do :; done\n{shutil.which("rm")} -f -- "$4"\nexit 137\n'
    )
    program.chmod(0o755)
    (taken,) = [one["snapshot"] for one in snapshots(isurus)]
    path = isurus.environ["PATH"]
    isurus.environ["PATH"] = f"{folder}:{path}"
    argv = [*command.split(), *([taken] if command.startswith("snapshot") else [])]
    isurus.run(*argv, "--yes", code=1)
    isurus.environ["PATH"] = path
    assert (copies(isurus) / taken / "repo").is_dir()
    assert snapshots(isurus) == []
    isurus.run("snapshot", "isurus", code=0)
    assert not (copies(isurus) / taken).exists(), "the next one removes what is left"


def test_what_a_killed_one_left_is_looked_for_while_no_other_can_be_taking_one(
    isurus: Estate,
) -> None:
    """A copy that another command completes meanwhile must not be taken for what is left."""
    isurus.run("snapshot", "isurus", code=0)
    folder = isurus.base / "looking"
    folder.mkdir()
    program, log = folder / "find", folder / "log"
    (lock,) = isurus.home.glob(".config/repoman/locks/isurus.container.lock")
    program.write_text(
        '#!/bin/sh\ncase "$*" in *about.json*-exec*test*|*-exec*test*about.json*)\n'
        f"if flock -n '{lock}' true; then echo free; else echo held; fi >>'{log}' ;; esac\n"
        f'exec {shutil.which("find")} "$@"\n'
    )
    program.chmod(0o755)
    isurus.environ["PATH"] = f"{folder}:{isurus.environ['PATH']}"
    isurus.run("snapshot", "isurus", code=0)
    assert set(log.read_text().split()) == {"held"}


@pytest.mark.local_only("the changes that kill it are counted in its own process")
def test_a_snapshot_killed_at_each_change(isurus: Estate) -> None:
    number = 0
    for number in range(1, 30):
        if run_killed(isurus, "snapshot", "isurus", killed_at=number) != KILLED:
            break
        assert all(one["parts"] == ["repo"] for one in snapshots(isurus))
    assert number > 2
    complete = {one["snapshot"] for one in snapshots(isurus)}
    assert {path.name for path in copies(isurus).iterdir()} == complete


@pytest.mark.local_only("the test lends the host a program")
def test_a_copy_is_on_the_disk_before_it_counts(isurus: Estate) -> None:
    folder = isurus.base / "programs"
    folder.mkdir()
    program = folder / "sync"
    path = {"PATH": f"{folder}:{isurus.environ['PATH']}"}
    program.write_text(f'#!/bin/sh\nls -- "$3" >{folder}/seen\nexec {shutil.which("sync")} "$@"\n')
    program.chmod(0o755)
    isurus.run("snapshot", "isurus", environ=path, code=0)
    assert (folder / "seen").read_text().split() == ["repo"]
    program.write_text("#!/bin/sh\necho sync: error syncing: Input/output error >&2; exit 1\n")
    failed = isurus.run("snapshot", "isurus", environ=path, code=1)
    assert "can't be written to its disk: Input/output error" in failed.err
    assert len(snapshots(isurus)) == len(list(copies(isurus).iterdir())) == 1


def test_what_undo_keeps_is_no_text_of_others(isurus: Estate) -> None:
    """A note of another version counts for nothing, and is no error."""
    isurus.run("snapshot", "isurus", code=0)
    (about,) = copies(isurus).glob("*/about.json")
    about.write_text(json.dumps({**json.loads(about.read_text()), "schema": 2}))
    about = about.parent.rename(about.parents[1] / "20260101T000000Z") / about.name
    assert snapshots(isurus) == []
    isurus.run("undo", "isurus", code=1)
    isurus.run("snapshot", "isurus", code=0)
    assert about.exists()


@pytest.mark.as_root
def test_it_is_refused_where_a_folder_is_of_another_user(isurus: Estate) -> None:
    if os.geteuid() != 0:
        pytest.skip("not here: only root can give a folder away")
    folder = isurus.local_repos / "isurus/of root"
    folder.mkdir()
    (folder / "x").write_text("x")
    isurus.run("snapshot", "isurus", code=0)
    (folder / "x").write_text("other")
    os.chown(folder, 12345, 12345)
    done = isurus.run("undo", "isurus", "--yes", code=REFUSED)
    assert "belongs to another user" in done.err
    assert (folder / "x").read_text() == "other"
    assert kinds(isurus) == []

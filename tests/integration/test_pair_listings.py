"""Listings of repo and mirror: what rsync takes for different shows, here and far away."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from repoman_tasks.hosts.local import LocalHost
from repoman_tasks.hosts.tree_pairs import PAIR_SCRIPT, pair_argv, script_differences
from repoman_tasks.planning.mirror.manifest import NOTHING, Changes
from repoman_tasks.planning.mirror.pair_differences import by_repo, find_candidates

REPO = "a\nb"
LEFT_OUT = (".zfs", "@eaDir")


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    """Return a repo with some of each kind of entry, and its mirror."""
    repo = tmp_path / "repos" / REPO
    (repo / "-sub/in").mkdir(parents=True)
    (repo / "-sub/in/x -> y\n").write_text("one")
    (repo / "file").write_text("one")
    (repo / "two").write_text("two")
    (repo / "twin").hardlink_to(repo / "two")
    (repo / "link").symlink_to("to -> file\n")
    mirror = tmp_path / "share" / REPO
    mirror.parent.mkdir()
    subprocess.run(["cp", "-a", repo, mirror], check=True)
    return repo, mirror


def found(repo: Path, mirror: Path) -> Changes:
    """Return what differs; fail unless both kinds of host find the same."""
    folders = str(repo.parent), str(mirror.parent)
    answer = LocalHost().submit_differences(folders, [REPO], LEFT_OUT, "-", (60, 0)).result()
    argv = ["sh", "-c", PAIR_SCRIPT, "sh", *folders, "100000", *pair_argv([REPO], LEFT_OUT, "-")]
    done = subprocess.run(argv, capture_output=True, check=True, env={**os.environ, "LC_ALL": "C"})
    assert answer == script_differences(done.stdout)
    assert answer is not None
    ours, theirs = (by_repo(lines, [REPO])[REPO] for lines in answer)
    return find_candidates(REPO, ours, theirs)


def told_by_rsync(repo: Path, mirror: Path) -> set[str]:
    """Return the paths that rsync would send, set or delete."""
    argv = ["rsync", "-aHi", "--dry-run", "--delete", "--modify-window=-1", "-8", "--no-specials"]
    done = subprocess.run([*argv, f"{repo}/", mirror], capture_output=True, text=True, check=True)
    paths = {line[12:].split(" => ")[0] for line in done.stdout.splitlines()}
    decoded = {re.sub(r"\\#([0-7]{3})", lambda octal: chr(int(octal[1], 8)), p) for p in paths}
    return {path.rstrip("/").split(" -> to")[0] for path in decoded} - {"."}


def same_time(path: Path, change: Callable[[], object]) -> None:
    """Change an entry, and put the old time on it."""
    info = path.lstat()
    change()
    os.utime(path, ns=(info.st_atime_ns, info.st_mtime_ns), follow_symlinks=False)


def other_target(tree: Path) -> None:
    (tree / "link").unlink()
    (tree / "link").symlink_to("to -> elif\n")


def other_kind(tree: Path) -> None:
    shutil.rmtree(tree / "-sub")
    (tree / "-sub").write_text("one")


CHANGES: dict[str, Callable[[Path], object]] = {
    "content": lambda tree: (tree / "file").write_text("other"),
    "time": lambda tree: os.utime(tree / "file", ns=(1, 10**9 + 1)),
    "mode": lambda tree: (tree / "file").chmod(0o640),
    "mode of a folder": lambda tree: (tree / "-sub").chmod(0o700),
    "gone": lambda tree: (tree / "-sub/in/x -> y\n").unlink(),
    "new": lambda tree: (tree / "-sub/new\n").touch(),
    "a folder gone": lambda tree: shutil.rmtree(tree / "-sub"),
    "target": lambda tree: same_time(tree / "link", lambda: other_target(tree)),
    "kind": other_kind,
    "names": lambda tree: os.replace(tree / "two", tree / "file"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_what_rsync_takes_for_different_shows(
    change: Callable[[Path], object], pair: tuple[Path, Path]
) -> None:
    repo, mirror = pair
    assert found(repo, mirror) == NOTHING
    change(mirror)
    changes = found(repo, mirror)
    candidates = {path.decode() for path in changes.paths | changes.trees}
    expected = told_by_rsync(repo, mirror)
    assert expected
    assert {path for path in expected if not covered(path, candidates)} == set()
    assert len(candidates) <= 4, "no others"


def covered(path: str, candidates: set[str]) -> bool:
    return path in candidates or any(path.startswith(f"{tree}/") for tree in candidates)


def test_names_that_are_no_longer_one_file(pair: tuple[Path, Path]) -> None:
    repo, mirror = pair
    shutil.copy2(mirror / "two", mirror / "copy")
    (mirror / "copy").replace(mirror / "twin")
    assert {b"two", b"twin"} <= found(repo, mirror).paths


def test_what_is_never_mirrored_does_not_show(pair: tuple[Path, Path]) -> None:
    repo, mirror = pair
    times = repo.stat()
    (repo / ".zfs").mkdir()
    (repo / ".zfs/x").touch()
    os.mkfifo(repo / "fifo")
    (mirror / "@eaDir").mkdir()
    for path in pair:
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert found(repo, mirror) == NOTHING


def test_a_listing_that_is_not_whole(pair: tuple[Path, Path]) -> None:
    repo, mirror = pair
    shutil.rmtree(mirror)
    folders = str(repo.parent), str(mirror.parent)
    assert LocalHost().submit_differences(folders, [REPO], (), "-", (60, 0)).result() is None
    argv = ["sh", "-c", PAIR_SCRIPT, "sh", *folders, "1000", *pair_argv([REPO], (), "-")]
    assert subprocess.run(argv, capture_output=True, check=False).returncode == 1

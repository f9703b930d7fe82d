"""Digests of trees: any change shows, and a host far away finds the same as this one."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from repoman_tasks.hosts.digests import DIGEST_SCRIPT, RECENT_SECONDS, TreeDigests, script_digests
from repoman_tasks.hosts.local import LocalHost


@pytest.fixture
def trees(tmp_path: Path) -> list[Path]:
    """Return folders whose last change is long enough ago."""
    paths = [make_tree(tmp_path / name) for name in ("a", "b c", "e\nf")]
    (tmp_path / "empty").mkdir()
    settle()
    return [*paths, tmp_path / "empty"]


def make_tree(path: Path) -> Path:
    """Create a folder with some of each kind of entry."""
    (path / "sub").mkdir(parents=True)
    (path / "sub/x").write_text("one")
    (path / "0 d\n").write_text("one")
    (path / "link").symlink_to("x")
    (path / ".zfs").mkdir()
    return path


def settle() -> None:
    """Wait until no change counts as recent any more."""
    time.sleep(RECENT_SECONDS + 1.1)


def here(*roots: Path) -> list[str]:
    return LocalHost().submit_digests([str(root) for root in roots]).result()


def there(*roots: Path) -> list[str]:
    words = [str(root) for root in roots]
    argv = ["sh", "-c", DIGEST_SCRIPT, "sh", *words]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    return script_digests(done.stdout, len(words))


def test_both_kinds_of_host_find_the_same(trees: list[Path]) -> None:
    found = here(*trees)
    assert found == there(*trees) == [here(tree)[0] for tree in trees]
    assert len(set(found)) == len(trees)
    assert all(len(digest) == 64 for digest in found)
    assert here() == []


def swap(tree: Path) -> None:
    """Write other content, of the same size, and put the old time on it."""
    info = (tree / "sub/x").stat()
    (tree / "sub/x").write_text("two")
    os.utime(tree / "sub/x", ns=(info.st_atime_ns, info.st_mtime_ns))


def to_and_fro(tree: Path) -> None:
    (tree / "sub").rename(tree / "elsewhere")
    (tree / "elsewhere").rename(tree / "sub")


CHANGES: dict[str, Callable[[Path], object]] = {
    "new": lambda tree: (tree / "new").touch(),
    "gone": lambda tree: (tree / "sub/x").unlink(),
    "mode": lambda tree: (tree / "sub/x").chmod(0o600),
    "renamed": lambda tree: (tree / "sub/x").rename(tree / "sub/y"),
    "linked": lambda tree: (tree / "hard").hardlink_to(tree / "sub/x"),
    "size and time kept": swap,
    "moved away and back": to_and_fro,
    "the root's mode": lambda tree: tree.chmod(0o700),
    "a file called as what is never entered": lambda tree: (tree / "sub/.zfs").touch(),
}
UNSEEN: dict[str, Callable[[Path], object]] = {
    "nothing": lambda _: None,
    "only read": lambda tree: (tree / "sub/x").read_text(),
    "in what is never entered": lambda tree: (tree / ".zfs/x").touch(),
}


def test_any_change_shows(tmp_path: Path) -> None:
    trees = [make_tree(tmp_path / name) for name in [*CHANGES, *UNSEEN]]
    settle()
    before = here(*trees)
    for tree, change in zip(trees, [*CHANGES.values(), *UNSEEN.values()], strict=True):
        change(tree)
    settle()
    after = here(*trees)
    same = {tree.name: old == new for tree, old, new in zip(trees, before, after, strict=True)}
    assert same == {**dict.fromkeys(CHANGES, False), **dict.fromkeys(UNSEEN, True)}
    assert after == there(*trees)


def test_what_changed_just_now_equals_no_later_walk(trees: list[Path]) -> None:
    """Another change within the same tick of the clock would not show."""
    (trees[0] / "new").touch()
    just_now = here(*trees)
    settle()
    later = here(*trees)
    assert [a == b for a, b in zip(just_now, later, strict=True)] == [False, True, True, True]
    assert later == here(*trees) == there(*trees)


@pytest.mark.parametrize("find", [here, there])
def test_a_tree_that_is_missing(find: Callable[..., list[str]], trees: list[Path]) -> None:
    missing = trees[0].parent / "missing"
    assert find(trees[0], missing, trees[1]) == [*find(trees[0]), "", *find(trees[1])]


@pytest.mark.skipif(os.geteuid() == 0, reason="not here: root reads everything")
@pytest.mark.parametrize("find", [here, there])
def test_a_tree_that_can_t_be_read(find: Callable[..., list[str]], trees: list[Path]) -> None:
    (trees[0] / "sub").chmod(0)
    assert find(*trees)[0] == ""


def test_output_in_parts() -> None:
    """Wherever the output is cut, the digests are the same; a name may look like a root."""
    output = b"0 d /a\x001 f 0 x\x0010 f y\x000 d /b\x00recent 7\x000 d /c\x00"
    whole = TreeDigests()
    whole.feed(output)
    expected = whole.digests()
    assert len(expected) == 3
    for cut in range(len(output)):
        parts = TreeDigests()
        parts.feed(output[:cut])
        parts.feed(output[cut:])
        assert parts.digests() == expected
    single = TreeDigests()
    for byte in output:
        single.feed(bytes([byte]))
    assert single.digests() == expected

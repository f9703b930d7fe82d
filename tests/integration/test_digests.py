"""Digests of trees: any change shows, and a host far away finds the same as this one."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from repoman_tasks.errors import Failed
from repoman_tasks.hosts import digests
from repoman_tasks.hosts.base import MOST_LISTED, Comparison
from repoman_tasks.hosts.digests import DIGEST_SCRIPT, RECENT_SECONDS, TreeDigests, script_digests
from repoman_tasks.hosts.kept_walks import (
    _MOST_BYTES,
    COMPARE_SCRIPT,
    KeptWalk,
    difference,
    script_comparison,
)
from repoman_tasks.hosts.local import LocalHost
from repoman_tasks.planning.mirror.manifest import changed_paths


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


# --- walks that are kept ---------------------------------------------------------------


@pytest.fixture
def calm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder that is like one of `trees`, without the wait: no change counts as recent."""
    monkeypatch.setattr(digests, "RECENT_SECONDS", -1000)
    return make_tree(tmp_path / "e\nf")


def compare_here(root: Path, known: Path | None, keep: Path | None) -> Comparison:
    known_path, keep_path = (str(path or "") for path in (known, keep))
    return LocalHost().submit_comparison(str(root), known_path, keep_path).result()


def compare_there(
    root: Path, known: Path | None, keep: Path | None, limits: dict[str, str] | None = None
) -> Comparison:
    words = [str(root), str(known or ""), str(keep or "")]
    script = COMPARE_SCRIPT.replace(f"- {RECENT_SECONDS})", f"- {digests.RECENT_SECONDS})")
    for limit, lower in (limits or {}).items():
        assert limit in script
        script = script.replace(limit, lower)
    argv = ["sh", "-c", script, "sh", *words]
    done = subprocess.run(argv, capture_output=True, check=True, env={**os.environ, "LC_ALL": "C"})
    return Comparison(*script_comparison(done.stdout))


BOTH = pytest.mark.parametrize("compare", [compare_here, compare_there])


@BOTH
def test_a_kept_walk_is_compared_with_a_later_one(
    compare: Callable[..., Comparison], calm: Path, tmp_path: Path
) -> None:
    """Here and far away read each other's files."""
    kept = tmp_path / "state/kept"
    first = compare(calm, None, kept)
    assert first == Comparison(here(calm)[0])
    unchanged = Comparison(first.digest, first.digest)
    assert compare_here(calm, kept, None) == compare_there(calm, kept, None) == unchanged
    assert oct(kept.stat().st_mode) == oct(0o100600)
    swap(calm)
    (calm / "link").unlink()
    now = compare(calm, kept, kept)
    assert (now.digest, now.known) == (here(calm)[0], first.digest)
    assert changed_paths(now.gone, now.new) == {b"", b"link", b"sub/x"}
    assert compare(calm, kept, None) == Comparison(now.digest, now.digest)


def test_both_find_the_same_differences(calm: Path, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    compare_here(calm, None, kept)
    for number in range(300):
        (calm / f"sub/{number}\n\t\\").touch()
    (calm / "sub/x").rename(calm / "0 d\t\x01")
    found = compare_here(calm, kept, None)
    assert found == compare_there(calm, kept, None)
    assert len(found.new) == 303
    assert len(changed_paths(found.gone, found.new)) == 304


@BOTH
@pytest.mark.parametrize("fate", ["missing", "empty", "not gzip", "cut short"])
def test_a_kept_walk_that_is_damaged(
    compare: Callable[..., Comparison], fate: str, calm: Path, tmp_path: Path
) -> None:
    """Its digest is not the one that was noted."""
    kept = tmp_path / "kept"
    noted = compare_here(calm, None, kept).digest
    data = kept.read_bytes()
    damaged = {"empty": b"", "not gzip": b"x" * 99, "cut short": data[:-20]}
    kept.unlink()
    if fate != "missing":
        kept.write_bytes(damaged[fate])
    found = compare(calm, kept, None)
    assert found.digest == noted
    assert found.known != noted


@BOTH
def test_a_walk_that_is_not_complete_has_no_digest(
    compare: Callable[..., Comparison], tmp_path: Path
) -> None:
    assert compare(tmp_path / "missing", None, tmp_path / "kept") == Comparison("")


@pytest.mark.skipif(os.geteuid() == 0, reason="not here: root writes everywhere")
@BOTH
def test_a_walk_that_can_t_be_kept(
    compare: Callable[..., Comparison], calm: Path, tmp_path: Path
) -> None:
    (tmp_path / "closed").mkdir(mode=0o500)
    with pytest.raises((Failed, subprocess.CalledProcessError)):
        compare(calm, None, tmp_path / "closed/kept")


def test_few_lines_are_in_memory_if_walks_are_alike() -> None:
    """Lines in another order still cancel each other."""

    def packed(lines: list[bytes]) -> bytes:
        walk = KeptWalk()
        for line in lines:
            walk.feed(line + b"\0")
        return walk.finish()[1]

    lines = [b"%d" % number for number in range(1000)]
    assert difference(packed(lines), packed(lines[::-1])) == ((), ())
    assert difference(packed(lines), packed([b"x", *lines])) == ((), (b"x",))
    assert difference(packed(lines), packed(lines[1:-1])) == ((b"0", b"999"), ())


def test_limits_of_a_walk_over_ssh(calm: Path, tmp_path: Path) -> None:
    """One that is too long has no digest, and too many differences are none that are known."""
    kept = tmp_path / "kept"
    noted = compare_there(calm, None, kept).digest
    (calm / "new").touch()
    whole = compare_there(calm, kept, None)
    assert whole.known == noted
    cut = compare_there(calm, kept, None, {f"most={_MOST_BYTES}": "most=99"})
    assert (cut.digest, cut.known) == ("", noted)
    many = compare_there(calm, kept, None, {str(MOST_LISTED): "9"})
    assert many == Comparison(whole.digest)

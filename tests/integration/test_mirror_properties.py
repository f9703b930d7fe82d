"""Mirror random trees, changed at random."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.integration.test_mirror import changes, inner
from tests.integration.test_verify import UNHEALTHY, flip
from tests.support.estate import Estate

NAME = (
    st.binary(min_size=1, max_size=12)
    .map(lambda raw: raw.replace(b"/", b"-").replace(b"\0", b"0"))
    .filter(lambda raw: raw not in (b".", b"..", b".git", b".zfs"))
)
WORDS = st.sampled_from([b"a", b"b", b"*", b"[a]", b"\\", b"-x", b" ", b"\n", b"\xff", b"a b"])
PATH = st.lists(st.one_of(WORDS, NAME), min_size=1, max_size=3).map(tuple)
MODE = st.sampled_from([0o600, 0o640, 0o755, 0o444, 0o700])
TIME = st.integers(min_value=1, max_value=2**31 * 10**9)
ENTRY = st.one_of(
    st.tuples(st.just("file"), st.binary(max_size=40), MODE, TIME),
    st.tuples(st.just("folder")),
    st.tuples(st.just("link"), st.sampled_from([b"a", b"/etc", b"../..", b"nowhere", b"\xff\n"])),
    st.tuples(st.just("hard"), PATH),
    st.tuples(st.just("gone")),
)
TREE = st.lists(st.tuples(PATH, ENTRY), max_size=12)


@pytest.fixture(scope="module")
def shared() -> Iterator[Estate]:
    """Return one estate for all examples; each has a repo with content of its own."""
    base = Path(tempfile.mkdtemp(prefix="repoman-properties-"))
    with Estate(base) as estate:
        estate.setup()
        (estate.local_repos / "isurus").mkdir()
        estate.run("new", "isurus", "--no-container", code=0)
        yield estate
    shutil.rmtree(base)


def put(root: bytes, path: tuple[bytes, ...], entry: tuple[object, ...]) -> None:
    """Create `entry` at `path`, replacing what is there; do nothing if the parent is not a
    folder."""
    target = os.path.join(root, *path)
    try:
        clear(target)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        make(root, target, entry)
    except (NotADirectoryError, FileExistsError, FileNotFoundError):
        return


def clear(target: bytes) -> None:
    """Remove what is at `target`."""
    if os.path.isdir(target) and not os.path.islink(target):
        shutil.rmtree(target)
    elif os.path.lexists(target):
        os.unlink(target)


def make(root: bytes, target: bytes, entry: tuple[object, ...]) -> None:
    """Create `entry` where nothing exists."""
    match entry:
        case ("file", bytes(content), int(mode), int(when)):
            with open(target, "wb") as file:
                file.write(content)
            os.chmod(target, mode)
            os.utime(target, ns=(when, when))
        case ("folder",):
            os.mkdir(target)
        case ("link", bytes(to)):
            os.symlink(to, target)
        case ("hard", tuple(other)):
            source = os.path.join(root, *other)
            if os.path.isfile(source) and not os.path.islink(source):
                os.link(source, target)


def stay_inside(root: bytes, path: tuple[bytes, ...]) -> bool:
    """Return True if no symlink on the way leads the test itself out of its tree."""
    steps = [os.path.join(root, *path[:n]) for n in range(1, len(path))]
    return not any(os.path.islink(step) for step in steps)


def read_changes(text: str, repo: Path) -> list[str]:
    """Return the changes that a sync printed.

    If a hard link replaces a folder or symlink, rsync reports it as new when it creates it, and as
    changed in a dry run, which also reports the deletion twice. So new and changed, and once and
    twice, count as the same if the repo has such links.
    """
    listed = changes(text)
    if has_hard_links(repo):
        listed = sorted({line.replace(": new    ", ": changed", 1) for line in listed})
    return listed


def has_hard_links(repo: Path) -> bool:
    """Return True if a file in it has more than one name."""
    infos = [path.lstat() for path in repo.rglob("*")]
    return any(info.st_nlink > 1 for info in infos if not stat.S_ISDIR(info.st_mode))


FOLDERS = [((name,), ("folder",)) for name in (b"b", b"c")] + [((b"c", b"d"), ("folder",))]
LINKED = [((b"b",), ("file", b"x", 0o644, 1)), ((b"c",), ("hard", (b"b",)))]


@example(first=FOLDERS, second=LINKED)
@settings(max_examples=15)
@given(first=TREE, second=TREE)
def test_a_mirror_is_the_repo(shared: Estate, first: list, second: list) -> None:  # type: ignore[type-arg]
    repo = shared.local_repos / "isurus"
    for changed in (first, second):
        root = os.fsencode(repo)
        for path, entry in changed:
            if stay_inside(root, path):
                put(root, path, entry)
        dry = shared.run("sync", "isurus", "--dry-run", "--force", code=0)
        real = shared.run("sync", "isurus", "--itemize", "--force", code=0)
        assert inner(shared.mirror("isurus")) == inner(repo)
        assert read_changes(dry.out, repo) == read_changes(real.out, repo)


def damage(path: Path, kind: str) -> str:
    """Damage the entry at `path` of a mirror in the way `kind`, or another if that is impossible.

    Return the path that is damaged.
    """
    if kind == "added" and path.is_dir() and not path.is_symlink():
        (path / "one more").write_text("x")
        return str(path / "one more")
    if path.is_symlink():
        path.unlink()
        if kind != "removed":
            path.symlink_to("another target")
    elif path.is_dir():
        shutil.rmtree(path) if kind == "removed" else path.chmod(path.stat().st_mode ^ 0o010)
    elif kind in ("flipped", "truncated") and path.stat().st_size:
        flip(path) if kind == "flipped" else os.truncate(path, path.stat().st_size - 1)
    else:
        damage_file(path, kind)
    return str(path)


def damage_file(path: Path, kind: str) -> None:
    """Damage a file in a way that takes no content; in the way `mode` if `kind` is not known."""
    match kind:
        case "removed":
            path.unlink()
        case "moved":
            path.rename(path.with_name("moved away"))
        case "of another kind":
            path.unlink()
            path.mkdir()
        case "touched":
            os.utime(path, ns=(1, path.stat().st_mtime_ns + 10**9))
        case _:
            path.chmod(path.stat().st_mode ^ 0o010)


_DAMAGE = [
    *("flipped", "truncated", "removed", "added", "mode"),
    *("moved", "of another kind", "touched"),
]


@settings(max_examples=16)
@given(
    tree=TREE,
    kind=st.sampled_from(_DAMAGE),
    number=st.integers(min_value=0),
)
def test_any_damage_is_found(shared: Estate, tree: list, kind: str, number: int) -> None:  # type: ignore[type-arg]
    repo, mirror = shared.local_repos / "isurus", shared.mirror("isurus")
    for path, entry in tree:
        if stay_inside(os.fsencode(repo), path):
            put(os.fsencode(repo), path, entry)
    shared.run("sync", "isurus", "--checksum", "--force", code=0)
    entries = sorted([mirror, *mirror.rglob("*")])
    chosen = entries[number % len(entries)]
    linked = not chosen.is_dir() and chosen.lstat().st_nlink > 1  # one name stands for all
    where = os.path.relpath(damage(chosen, kind), mirror)
    found = shared.run("verify", "--full", "--json", code=UNHEALTHY).json["projects"][0]
    assert linked or where in [entry["path"] for entry in found["damaged"]]

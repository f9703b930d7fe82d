"""Find what a full comparison has to send: where listings of repo and mirror differ. Pure.

They are only candidates: rsync, which is given no other paths, knows what is excluded, what it may
not keep, and what differs. What is equal in both listings is equal for rsync.
"""

from __future__ import annotations

import posixpath
from collections.abc import Container, Iterable, Mapping

from repoman_tasks.late_dataclass import dataclass
from repoman_tasks.planning.mirror.manifest import Changes

__all__ = ["by_repo", "find_candidates", "not_ours"]

_HARD = b"h "
_MIRRORED = (b"d", b"f", b"l")


@dataclass(frozen=True)
class _Listed:
    """The content of a line of `tree_pairs.pair_argv`."""

    kind: bytes
    rest: tuple[bytes, ...]


def by_repo(lines: Iterable[bytes], repos: Iterable[str]) -> dict[str, list[bytes]]:
    """Return the lines of each of `repos`, paths of folders that do not overlap."""
    found: dict[str, list[bytes]] = {repo: [] for repo in repos}
    names = {repo.encode(errors="surrogateescape"): repo for repo in found}
    for line in lines:
        path = _path(line)
        while path and path not in names:
            path = posixpath.dirname(path)
        if path:
            found[names[path]].append(line)
    return found


def find_candidates(
    repo: str, ours: Iterable[bytes], theirs: Iterable[bytes], *, chmod: bool = False
) -> Changes:
    """Return the entries of the repo at `repo` and of its mirror that may differ.

    `ours` are the lines that only the listing of the repo has, `theirs` those that only that of the
    mirror has. With `chmod`, rsync makes modes harmless (`rsync.pass_argv`).
    """
    ours, theirs = list(ours), list(theirs)
    prefix = len(repo.encode(errors="surrogateescape")) + 1
    mine, its = _entries(ours, prefix, chmod=chmod), _entries(theirs, prefix)
    mine = {path: entry for path, entry in mine.items() if entry.kind in _MIRRORED}
    both = {path for path in mine.keys() & its.keys() if mine[path] != its[path]}
    groups = _names(ours, prefix), _names(theirs, prefix)
    linked = _unlike_links(*groups)
    turned = {path for path in both if mine[path].kind != its[path].kind}
    missing, extra = mine.keys() - its.keys(), its.keys() - mine.keys()
    trees = _topmost(missing | turned) | _topmost(extra | turned)
    paths = {path for path in both | linked if not _is_below(path, trees)}
    deleted = extra | turned
    unlinked = {name for names in groups[1] if names & deleted for name in names - deleted}
    return Changes(frozenset(paths), frozenset(trees), len(extra), unlinked=frozenset(unlinked))


def not_ours(found: Changes, changes: Changes) -> Changes:
    """Return the entries in `found` without those in `changes`."""
    known = changes.paths | changes.trees
    paths = {path for path in found.paths - known if not _is_below(path, changes.trees)}
    trees = {path for path in found.trees - known if not _is_below(path, changes.trees)}
    unlinked = found.unlinked
    return Changes(frozenset(paths), frozenset(trees), found.gone, unlinked=unlinked)


def _topmost(paths: Iterable[bytes]) -> set[bytes]:
    known = set(paths)
    return {path for path in known if path and posixpath.dirname(path) not in known}


def _is_below(path: bytes, trees: Container[bytes]) -> bool:
    while path and path not in trees:
        path = posixpath.dirname(path)
    return path in trees


def _fields(line: bytes) -> list[bytes]:
    """Return kind, owner, mode, size, mtime, and `./` with the path and a link's target."""
    return line.split(b" ", 5)


def _path(line: bytes) -> bytes:
    """Return the path in a line, relative to the folder that was listed."""
    kind, _, _, size, _, rest = _fields(line)
    if kind == b"l":
        rest = rest[: -(int(size) + len(b" -> "))]
    return rest[len(b"./") :]


def _entries(
    lines: Iterable[bytes], prefix: int, *, chmod: bool = False
) -> Mapping[bytes, _Listed]:
    found = {}
    for line in lines:
        if line.startswith(_HARD) or not line:
            continue
        kind, owner, mode, size, mtime, rest = _fields(line)
        mode = _harmless(kind, mode) if chmod else mode
        target = rest if kind == b"l" else b""
        found[_path(line)[prefix:]] = _Listed(kind, (owner, mode, size, mtime, target))
    return found


def _harmless(kind: bytes, mode: bytes) -> bytes:
    """Return `mode` as `--chmod=Fug-s,Fu+r,Du+rx` leaves it."""
    if kind == b"f":
        return b"%o" % (int(mode, 8) & ~0o6000 | 0o400)
    return b"%o" % (int(mode, 8) | 0o500) if kind == b"d" else mode


def _names(lines: Iterable[bytes], prefix: int) -> set[frozenset[bytes]]:
    """Return the names of each file that has several of them."""
    files: dict[tuple[bytes, bytes], set[bytes]] = {}
    for line in lines:
        if line.startswith(_HARD):
            _, _, device, inode, _, _ = _fields(line)
            files.setdefault((device, inode), set()).add(_path(line)[prefix:])
    return {frozenset(names) for names in files.values() if len(names) > 1}


def _unlike_links(ours: set[frozenset[bytes]], theirs: set[frozenset[bytes]]) -> set[bytes]:
    """Return the names of the files that have other names on the other side."""
    return {name for names in ours ^ theirs for name in names}

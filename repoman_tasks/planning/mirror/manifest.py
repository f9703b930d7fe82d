"""Find what a sync has to send: the difference between a repo's manifest and a walk over it. Pure.

The manifest is the walk before the last sync. The mirror holds what it lists, but for `written`:
the paths that changed until the end of that sync, so that rsync may have read anything there. Each
change of an entry sets its ctime, and so its line; a folder's line changes with its list of names.
What has the same line in both walks need not be looked at.
"""

from __future__ import annotations

import posixpath
from collections.abc import Container, Iterable, Mapping

from repoman_tasks.late_dataclass import dataclass

__all__ = [
    "NOTHING",
    "Changes",
    "Losses",
    "changed_paths",
    "find_changes",
    "find_losses",
    "find_written",
    "one_is_in",
    "together",
]

_RECENT = b"recent "
_MIRRORED = (b"d", b"f", b"l")


@dataclass(frozen=True)
class Losses:
    """The files of a mirror whose content a sync would take away, by paths relative to the repo."""

    replaced: frozenset[bytes] = frozenset()
    emptied: frozenset[bytes] = frozenset()
    """Those of `replaced` that the repo now has empty."""
    gone: frozenset[bytes] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.replaced or self.gone)


@dataclass(frozen=True)
class Changes:
    """The entries of a mirror to compare, by paths relative to the repo."""

    paths: frozenset[bytes]
    trees: frozenset[bytes]
    """Those to compare with all that they hold, or to delete."""
    gone: int = 0
    """The number of entries that the repo no longer has."""
    contents: bool = False
    """If true, a file may have changed with its size and time kept."""
    losses: Losses = Losses()
    unlinked: frozenset[bytes] = frozenset()
    """The other names of read-only files of which a name is gone. To delete that, rsync makes them
    writable in the mirror, unless it runs as root."""


@dataclass(frozen=True)
class _Entry:
    """The content of a line about an entry."""

    kind: bytes
    size: bytes = b""
    mtime: bytes = b""
    mode: bytes = b""
    inode: bytes = b""


NOTHING = Changes(frozenset(), frozenset())


def find_changes(gone: Iterable[bytes], new: Iterable[bytes], written: Iterable[bytes]) -> Changes:
    """Return what differs between a manifest and a walk now.

    `gone` are the lines (`hosts.digests.tree_argv`) that only the manifest has, and `new` those
    that only the walk has; `written` is the answer of `find_written` for the last sync. Raise
    ValueError if a line has another form.
    """
    gone, new = list(gone), list(new)
    old, now = _entries(gone), _entries(new)
    removed = {path: entry for path, entry in old.items() if path not in now}
    again = {_inner(path): _Entry(b"d" if path.endswith(b"/") else b"f") for path in written}
    recent = _recent(gone) | _recent(new)
    unsure = {path: now.get(path, e) for path, e in (recent | again).items() if path not in removed}
    trees = {path for path in again if path in unsure and unsure[path].kind == b"d"}
    trees |= {path for path in removed if posixpath.dirname(path) not in removed}
    changed = {path for path, entry in (now | unsure).items() if entry.kind in _MIRRORED}
    return Changes(
        frozenset(changed - trees),
        frozenset(trees),
        sum(entry.kind in _MIRRORED for entry in removed.values()),
        any(path in again or entry.kind == b"f" for path, entry in unsure.items())
        or any(_looks_same(old[path], entry) for path, entry in now.items() if path in old),
        _losses(old, now),
        _unlinked(old, now),
    )


def _unlinked(old: Mapping[bytes, _Entry], now: Mapping[bytes, _Entry]) -> frozenset[bytes]:
    """Return the names in `now` of read-only files that had one more name, now gone or no file.

    A name that is gone changes the ctime of its file, and so the lines of the other names.
    """
    files = {path for path, entry in now.items() if entry.kind == b"f"}
    gone = {e.inode for path, e in old.items() if path not in files and _is_read_only(e)}
    return frozenset(path for path in files if now[path].inode in gone)


def _is_read_only(entry: _Entry) -> bool:
    return entry.kind == b"f" and not int(entry.mode, 8) & 0o200


def together(one: Changes, other: Changes) -> Changes:
    """Return the entries of both, of which `other` may have found again what is gone by `one`."""
    trees = one.trees | other.trees
    return Changes(
        (one.paths | other.paths) - trees,
        trees,
        max(one.gone, other.gone),
        one.contents or other.contents,
        one.losses,
        one.unlinked | other.unlinked,
    )


def find_losses(gone: Iterable[bytes], new: Iterable[bytes]) -> Losses:
    """Return what a sync would take away, from the lines as `find_changes` gets them."""
    return _losses(_entries(gone), _entries(new))


def _losses(old: Mapping[bytes, _Entry], now: Mapping[bytes, _Entry]) -> Losses:
    files = {path: entry for path, entry in old.items() if entry.kind == b"f"}
    still = {path for path, entry in now.items() if entry.kind == b"f"}
    replaced = files.keys() & still
    emptied = {path for path in replaced if now[path].size == b"0" != files[path].size}
    return Losses(frozenset(replaced), frozenset(emptied), frozenset(files.keys() - still))


def changed_paths(gone: Iterable[bytes], new: Iterable[bytes]) -> frozenset[bytes]:
    """Return the paths of all entries that differ between two walks.

    An entry that changed just before one of them is not one.
    """
    return frozenset(_entries(gone).keys() | _entries(new).keys())


def find_written(
    gone: Iterable[bytes], new: Iterable[bytes], sent: Changes | None
) -> frozenset[bytes] | None:
    """Return the paths of which the mirror may not have what the walk before a sync lists.

    `gone` and `new` are as above, for the walks before and after it; `sent` is what rsync looked
    at, None for the whole repo. A folder that changed may have been another one while rsync read in
    it, so that nothing is known of what was sent from it: if that is all, the answer is None. A
    slash ends the path of a folder of which that is true.
    """
    entries = _entries(gone) | _entries(new)
    folders = {path for path, entry in entries.items() if entry.kind == b"d"}
    if sent is None:
        return None if folders else frozenset(entries)
    inside = {path for path in sent.paths if path and _lies_in(posixpath.dirname(path), folders)}
    inside |= {path + b"/" for path in sent.trees if _lies_in(path, folders)}
    return frozenset(inside | entries.keys() - folders)


def one_is_in(paths: Iterable[bytes], folders: Iterable[bytes]) -> bool:
    """Return True if one of `paths` is one of `folders` or lies in it."""
    known = set(folders)
    return any(_lies_in(path, known) for path in paths)


def _inner(path: bytes) -> bytes:
    return path.removesuffix(b"/")


def _lies_in(path: bytes, folders: Container[bytes]) -> bool:
    while path and path not in folders:
        path = posixpath.dirname(path)
    return path in folders


def _looks_same(old: _Entry, now: _Entry) -> bool:
    """Return True if rsync would take a changed file for the old one."""
    return (old.kind, old.size, old.mtime) == (b"f", now.size, now.mtime) and now.kind == b"f"


def _recent(lines: Iterable[bytes]) -> dict[bytes, _Entry]:
    """Return the entries that changed just before a walk: another change might not show."""
    fields = [line.split(b" ", 3) for line in lines if line.startswith(_RECENT)]
    return {path: _Entry(kind) for _, _, kind, path in fields}


def _entries(lines: Iterable[bytes]) -> dict[bytes, _Entry]:
    return dict(_parsed(line) for line in lines if not line.startswith(_RECENT))


def _parsed(line: bytes) -> tuple[bytes, _Entry]:
    _, kind, mode, _, _, inode, size, mtime, _, rest = line.split(b" ", 9)
    path = rest if kind == b"d" else rest.partition(b" ")[2]  # after the number of its links
    return path, _Entry(kind, size, mtime, mode, inode)

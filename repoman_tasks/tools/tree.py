"""Looking at a repo's files from the outside. git is never run in a repo: its configuration
belongs to whoever wrote the repo."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import blake2b

from repoman_tasks.errors import Failed
from repoman_tasks.host import Entry, Host
from repoman_tasks.model import Tally

__all__ = ["PRUNED", "Look", "git_state", "look"]

PRUNED = frozenset({b".zfs"})
"""Folders that no walk enters: ZFS mounts a snapshot for each look at one."""

_LOOSE_OBJECT = re.compile(rb"(?:^|/)objects/[0-9a-f]{2}/[0-9a-f]+$")
_SPECIAL = {"p": "FIFO", "s": "socket", "b": "block device", "c": "character device"}
_MOST_SPECIALS = 100
_MASK = (1 << 128) - 1


@dataclass
class Look:
    """What a walk over a repo found."""

    tally: Tally
    git_dirs: tuple[bytes, ...] = ()
    specials: list[str] = field(default_factory=list)


def look(host: Host, root: str) -> Look:
    """Walk the repo at `root`: count it, find its git directories, and what can't be mirrored."""
    files = loose = tree = 0
    specials: list[str] = []
    git = _GitDirs()
    for entry in host.walk(root, prune=PRUNED):
        tree += _fingerprint(entry)
        git.see(entry)
        if entry.kind == "d":
            continue
        if _LOOSE_OBJECT.search(entry.path):
            loose += 1
        elif entry.kind not in _SPECIAL:
            files += 1
        elif len(specials) < _MOST_SPECIALS:
            specials.append(f"{_SPECIAL[entry.kind]} {entry.path.decode(errors='replace')}")
    return Look(Tally(files, loose, f"{tree & _MASK:032x}"), git.found(), specials)


class _GitDirs:
    """Folders that hold HEAD, objects and refs, wherever and whatever they are called."""

    def __init__(self) -> None:
        self._parents: dict[bytes, set[bytes]] = {b"HEAD": set(), b"objects": set(), b"refs": set()}

    def see(self, entry: Entry) -> None:
        parent, _, name = entry.path.rpartition(b"/")
        if name in self._parents:
            self._parents[name].add(parent)

    def found(self) -> tuple[bytes, ...]:
        return tuple(sorted(set.intersection(*self._parents.values())))


def git_state(host: Host, root: str, git_dirs: Iterable[bytes]) -> dict[bytes, int]:
    """A number for each outermost git directory that changes when anything in it does."""
    outermost: list[bytes] = []
    for git_dir in sorted(git_dirs):
        if not any(git_dir.startswith(outer + b"/") or not outer for outer in outermost):
            outermost.append(git_dir)
    return {git_dir: _state_below(host, root, git_dir) for git_dir in outermost}


def _state_below(host: Host, root: str, git_dir: bytes) -> int:
    """0 for one that vanished, which is a change too."""
    path = root if not git_dir else f"{root}/{git_dir.decode(errors='surrogateescape')}"
    try:
        return sum(_fingerprint(entry) for entry in host.walk(path, prune=PRUNED))
    except Failed:
        return 0


def _fingerprint(entry: Entry) -> int:
    """A hash of what changes when a file does; sums of it do not depend on the order."""
    what = f"{entry.kind} {entry.inode} {entry.size} {entry.mtime_ns} {entry.ctime_ns} ".encode()
    return int.from_bytes(blake2b(what + entry.path, digest_size=16).digest())

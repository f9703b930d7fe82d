"""Looking at a repo's files from the outside. git is never run in a repo: its configuration
belongs to whoever wrote the repo."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import blake2b

from repoman_tasks.errors import Failed
from repoman_tasks.hosts.base import Entry, Future, Host
from repoman_tasks.model import Tally

__all__ = [
    "PRUNED",
    "Census",
    "Look",
    "git_state",
    "is_loose_object",
    "look",
    "submit_folder_names",
]

PRUNED = frozenset({b".zfs"})
"""Folders that no walk enters: ZFS mounts a snapshot for each look at one."""

_LOOSE_OBJECT = re.compile(rb"(?:^|/)objects/[0-9a-f]{2}/[0-9a-f]+$")
_SPECIAL = {"p": "FIFO", "s": "socket", "b": "block device", "c": "character device"}
_MOST_SPECIALS = 100
_MASK = (1 << 128) - 1


@dataclass(frozen=True)
class Look:
    """What a walk over a repo found."""

    tally: Tally
    git_dirs: tuple[bytes, ...] = ()
    specials: tuple[str, ...] = ()
    hard_links: bool = False


def submit_folder_names(host: Host, path: str) -> Future[list[str]]:
    """Ask for the names of the folders directly in the folder at `path`."""
    argv = ["find", f"{path.rstrip('/')}/", "-mindepth", "1", "-maxdepth", "1"]
    found = host.submit([*argv, "-type", "d", "-printf", "%f\\0"])
    return found.then(lambda result: result.text.split("\0")[:-1])


def is_loose_object(path: bytes) -> bool:
    """Whether a file at `path`, relative to its repo, is an object that git has not packed."""
    return bool(_LOOSE_OBJECT.search(path))


class Census:
    """Counts the entries of a repo, one by one."""

    def __init__(self) -> None:
        self._files = self._loose = self._packs = 0
        self._parents: dict[bytes, set[bytes]] = {b"HEAD": set(), b"objects": set(), b"refs": set()}

    def see(self, path: bytes, *, folder: bool) -> None:
        """Take in one entry that can be mirrored."""
        parent, _, name = path.rpartition(b"/")
        if name in self._parents:
            self._parents[name].add(parent)
        if folder:
            return
        if is_loose_object(path):
            self._loose += 1
        else:
            self._files += 1
            if name.endswith(b".pack"):
                self._packs += _hash(path)

    def tally(self, tree: str) -> Tally:
        """The counts so far, with the fingerprint `tree`."""
        return Tally(self._files, self._loose, _shown(self._packs), tree)

    def git_dirs(self) -> tuple[bytes, ...]:
        """Folders that hold HEAD, objects and refs, wherever and whatever they are called."""
        return tuple(sorted(set.intersection(*self._parents.values())))


def look(entries: Iterable[Entry]) -> Look:
    """Go over what a walk over a repo meets: count it, find its git directories, and what can't be
    mirrored."""
    census = Census()
    tree = 0
    hard_links = False
    specials: list[str] = []
    for entry in entries:
        tree += _fingerprint(entry)
        if entry.kind not in _SPECIAL:
            folder = entry.kind == "d"
            census.see(entry.path, folder=folder)
            hard_links |= not folder and entry.links > 1
        elif len(specials) < _MOST_SPECIALS:
            specials.append(f"{_SPECIAL[entry.kind]} {entry.path.decode(errors='replace')}")
    return Look(census.tally(_shown(tree)), census.git_dirs(), tuple(specials), hard_links)


def git_state(host: Host, root: str, git_dirs: Iterable[bytes]) -> int:
    """A number that changes when anything in the git directories at `git_dirs` does.

    One that vanished adds nothing to it.
    """
    state = 0
    for git_dir in _outermost(git_dirs):
        path = root if not git_dir else f"{root}/{git_dir.decode(errors='surrogateescape')}"
        with contextlib.suppress(Failed):
            state += sum(_fingerprint(entry) for entry in host.walk(path, prune=PRUNED))
    return state


def _outermost(git_dirs: Iterable[bytes]) -> list[bytes]:
    found: list[bytes] = []
    for git_dir in sorted(git_dirs):
        if not any(git_dir.startswith(outer + b"/") or not outer for outer in found):
            found.append(git_dir)
    return found


def _fingerprint(entry: Entry) -> int:
    """A hash of what changes when a file does; sums of it do not depend on the order."""
    what = f"{entry.kind} {entry.inode} {entry.size} {entry.mtime_ns} {entry.ctime_ns} ".encode()
    return _hash(what + entry.path)


def _hash(what: bytes) -> int:
    return int.from_bytes(blake2b(what, digest_size=16).digest())


def _shown(fingerprint: int) -> str:
    return f"{fingerprint & _MASK:032x}"

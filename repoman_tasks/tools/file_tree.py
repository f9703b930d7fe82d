"""Surveys the files of a repo.

git is not run here, because a hostile repo could make it run programs by its configuration.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Iterator
from hashlib import blake2b

from repoman_tasks.errors import Failed
from repoman_tasks.hosts.base import Entry, Future, Host
from repoman_tasks.late_dataclass import dataclass
from repoman_tasks.model import Tally

__all__ = [
    "PRUNED",
    "Census",
    "Survey",
    "git_state",
    "is_loose_object",
    "submit_ctime",
    "submit_folder_names",
    "survey_entries",
]

PRUNED = frozenset({b".zfs"})
"""Folders that no walk enters: ZFS mounts a snapshot for each access to one."""

_LOOSE_OBJECT = re.compile(rb"(?:^|/)objects/[0-9a-f]{2}/[0-9a-f]+$")
_SPECIAL = {"p": "FIFO", "s": "socket", "b": "block device", "c": "character device"}
_MOST_SPECIALS = 100
_MASK = (1 << 128) - 1


@dataclass(frozen=True)
class Survey:
    """Result of a walk over a repo."""

    tally: Tally
    git_dirs: tuple[bytes, ...] = ()
    specials: tuple[str, ...] = ()
    hard_links: bool = False


def submit_folder_names(host: Host, path: str) -> Future[list[str]]:
    """Ask for the names of the folders directly in the folder at `path`."""
    argv = ["find", f"{path.rstrip('/')}/", "-mindepth", "1", "-maxdepth", "1"]
    names = host.submit([*argv, "-type", "d", "-printf", "%f\\0"])
    return names.then(lambda result: result.text.split("\0")[:-1])


def submit_ctime(host: Host, path: str) -> Future[int]:
    """Ask for the ctime of what is at `path`, in nanoseconds, 0 if it is missing."""
    asked = host.submit(["stat", "-c", "%.9Z", "--", path])
    return asked.then(lambda result: int(result.text.strip().replace(".", "") or 0))


def is_loose_object(path: bytes) -> bool:
    """Return True if the file at `path`, relative to its repo, is a loose git object."""
    return bool(_LOOSE_OBJECT.search(path))


class Census:
    """Counter of the entries of a repo."""

    def __init__(self) -> None:
        self._files = self._loose = self._packs = self._bytes = 0
        self._parents: dict[bytes, set[bytes]] = {b"HEAD": set(), b"objects": set(), b"refs": set()}

    def add(self, path: bytes, size: int, *, folder: bool) -> None:
        """Count one entry that can be mirrored; `size` is that of a file."""
        parent, _, name = path.rpartition(b"/")
        if name in self._parents:
            self._parents[name].add(parent)
        if folder:
            return
        self._bytes += size
        if is_loose_object(path):
            self._loose += 1
        else:
            self._files += 1
            if name.endswith(b".pack"):
                self._packs += _hash(path)

    def tally(self, tree: str, newest: int) -> Tally:
        """Return the counts so far, with the fingerprint `tree` and the newest ctime."""
        return Tally(self._files, self._loose, _hex(self._packs), tree, newest, self._bytes)

    def git_dirs(self) -> tuple[bytes, ...]:
        """Return the folders that hold HEAD, objects and refs: git directories of any name."""
        return tuple(sorted(set.intersection(*self._parents.values())))


def survey_entries(entries: Iterable[Entry]) -> Survey:
    """Count the entries of a walk over a repo, and find its git directories and special files."""
    census = Census()
    tree = newest = 0
    hard_links = False
    specials: list[str] = []
    for entry in entries:
        tree += _fingerprint(entry)
        newest = max(newest, entry.ctime_ns)
        if entry.kind not in _SPECIAL:
            folder = entry.kind == "d"
            census.add(entry.path, entry.size, folder=folder)
            hard_links |= not folder and entry.links > 1
        elif len(specials) < _MOST_SPECIALS:
            specials.append(f"{_SPECIAL[entry.kind]} {entry.path.decode(errors='replace')}")
    return Survey(census.tally(_hex(tree), newest), census.git_dirs(), tuple(specials), hard_links)


def git_state(host: Host, root: str, git_dirs: Iterable[bytes]) -> int:
    """Return a number that changes whenever anything in the git directories at `git_dirs` does.

    A git directory that vanished adds nothing to it.
    """
    state = 0
    for git_dir in _outermost(git_dirs):
        path = root if not git_dir else f"{root}/{git_dir.decode(errors='surrogateescape')}"
        with contextlib.suppress(Failed):
            state += sum(_fingerprint(entry) for entry in host.walk(path, prune=PRUNED))
    return state


def _outermost(git_dirs: Iterable[bytes]) -> list[bytes]:
    """Return those of `git_dirs` that are inside no other; `b""` is the root."""
    known = set(git_dirs)
    if b"" in known:
        return [b""]
    return sorted(path for path in known if known.isdisjoint(_parents(path)))


def _parents(path: bytes) -> Iterator[bytes]:
    while b"/" in path:
        path = path.rpartition(b"/")[0]
        yield path


def _fingerprint(entry: Entry) -> int:
    """Return a hash of the entry's metadata; a sum of hashes does not depend on their order."""
    stat = f"{entry.kind} {entry.inode} {entry.size} {entry.mtime_ns} {entry.ctime_ns} ".encode()
    return _hash(stat + entry.path)


def _hash(data: bytes) -> int:
    return int.from_bytes(blake2b(data, digest_size=16).digest())


def _hex(fingerprint: int) -> str:
    return f"{fingerprint & _MASK:032x}"

"""Surveys the files of a repo.

git is not run here, because a hostile repo could make it run programs by its configuration.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import field
from functools import partial
from hashlib import blake2b
from heapq import heappush, heapreplace

from repoman_tasks.errors import Failed
from repoman_tasks.hosts.base import FOLDER_SECONDS, Entry, Future, Host, TimedOut
from repoman_tasks.late_dataclass import dataclass
from repoman_tasks.model import Tally
from repoman_tasks.planning.mirror.baseline import CAP, SAMPLED, Contents
from repoman_tasks.planning.names import SERVER_FOLDERS

__all__ = [
    "PRUNED",
    "Census",
    "NameSampler",
    "Survey",
    "git_state",
    "is_in_git",
    "is_loose_object",
    "submit_ctime",
    "submit_folder_names",
    "submit_partial_folders",
    "survey_entries",
]

PRUNED = frozenset({b".zfs"})
"""Folders that no walk enters: ZFS mounts a snapshot for each access to one."""

_LOOSE_OBJECT = re.compile(rb"(?:^|/)objects/[0-9a-f]{2}/[0-9a-f]+$")
_IN_GIT = re.compile(rb"(?:^|/)\.git(?:/|$)|(?:^|/)objects/pack/pack-[0-9a-f]{40,64}\.[a-z]+$")
_SPECIAL = {"p": "FIFO", "s": "socket", "b": "block device", "c": "character device"}
_MOST_SPECIALS = 100
_POINTER = re.compile(
    rb"(^|/)\.git$|objects/info/alternates$|(^|/)objects/pack/pack-[0-9a-f]+\.promisor$"
)
_IN_GIT = re.compile(rb"(^|/)\.git/")
_SERVER_NAMES = frozenset(map(str.encode, SERVER_FOLDERS))
_MOST_WALKS = 20
"""Number of git directories beyond which one walk over the whole repo takes less time."""
_MASK = (1 << 128) - 1


@dataclass(frozen=True)
class Survey:
    """Result of a walk over a repo."""

    tally: Tally
    git_dirs: tuple[bytes, ...] = ()
    specials: tuple[str, ...] = ()
    hard_links: bool = False
    entries: int = 0
    contents: Contents = Contents()
    sampler: NameSampler | None = None
    pointers: tuple[bytes, ...] = ()
    """Files by which git finds a part of a repo elsewhere."""
    lfs_candidates: tuple[bytes, ...] = ()
    """Files that may be pointers of Git LFS, by their size."""
    folded: Mapping[bytes, bytes] = field(default_factory=dict)
    """Entries that a share without case does not tell from another one, each with that one."""

    @property
    def warnings(self) -> list[str]:
        """Return what of the repo is not mirrored."""
        return [f"{special} is not mirrored" for special in self.specials]


def submit_folder_names(host: Host, path: str) -> Future[list[str]]:
    """Ask for the names of the folders directly in the folder at `path`."""
    argv = ["find", f"{path.rstrip('/')}/", "-mindepth", "1", "-maxdepth", "1"]
    names = host.submit([*argv, "-type", "d", "-printf", "%f\\0"])
    return names.then(lambda result: result.text.split("\0")[:-1])


def submit_partial_folders(host: Host, places: Sequence[str]) -> Future[list[str]]:
    """Ask for the paths of the folders directly in `places` that a restore may have left.

    A place that does not answer, as on a dead file system, hides them all.
    """
    if not places:
        return Future(list)
    argv = ["find", *places, "-mindepth", "1", "-maxdepth", "1", "-name", ".*.partial"]
    asked = host.submit([*argv, "-type", "d", "-print0"], timeout=FOLDER_SECONDS, stoppable=True)

    def result() -> list[str]:
        try:
            return sorted(asked.result().text.split("\0")[:-1])
        except TimedOut:
            return []

    return Future(result)


def submit_ctime(host: Host, path: str) -> Future[int]:
    """Ask for the ctime of what is at `path`, in nanoseconds, 0 if it is missing."""
    asked = host.submit(["stat", "-c", "%.9Z", "--", path], stoppable=True)
    return asked.then(lambda result: int(result.text.strip().replace(".", "") or 0))


def is_loose_object(path: bytes) -> bool:
    """Return True if the file at `path`, relative to its repo, is a loose git object."""
    return bool(_LOOSE_OBJECT.search(path))


def is_in_git(path: bytes) -> bool:
    """Return True if the file at `path`, relative to its repo, is in a `.git`, or a pack."""
    return bool(_IN_GIT.search(path))


class NameSampler:
    """Samples the names of the files of a repo by their hashes, and finds known ones."""

    def __init__(self, key: bytes, known: frozenset[int]) -> None:
        self._key = key
        self._known = known
        self._smallest: list[int] = []
        """A heap of the smallest hashes, negative."""
        self.count = 0
        self.found: set[int] = set()

    def add(self, path: bytes) -> None:
        """Note the file at `path`."""
        self.count += 1
        name = int.from_bytes(blake2b(path, digest_size=8, key=self._key).digest())
        if name in self._known:
            self.found.add(name)
        if len(self._smallest) < SAMPLED:
            heappush(self._smallest, -name)
        elif name < -self._smallest[0]:
            heapreplace(self._smallest, -name)

    @property
    def names(self) -> list[int]:
        """Return the sample."""
        return [-name for name in self._smallest]


class Census:
    """Counter of the entries of a repo; `sampler` gets the files outside of git directories."""

    def __init__(self, sampler: NameSampler | None = None) -> None:
        self.sampler = sampler
        self.entries = self.filled = self.content = 0
        self._files = self._loose = self._packs = self._bytes = 0
        self._parents: dict[bytes, set[bytes]] = {b"HEAD": set(), b"objects": set(), b"refs": set()}

    def add(self, path: bytes, size: int, *, folder: bool) -> None:
        """Count one entry that can be mirrored; a file has `size` bytes."""
        self.entries += 1
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
            if not is_in_git(path):
                self.filled += size > 0
                self.content += min(size, CAP)
                if self.sampler is not None:
                    self.sampler.add(path)

    def count_again(self, size: int) -> None:
        """Note that the file just added was counted by another name."""
        self._bytes -= size

    def contents(self) -> Contents:
        """Return what the repo holds outside of its git directories."""
        return Contents(self._files, self.filled, self.content)

    def tally(self, tree: str, newest: int) -> Tally:
        """Return the counts so far, with the fingerprint `tree` and the newest ctime."""
        return Tally(self._files, self._loose, _hex(self._packs), tree, newest, self._bytes)

    def git_dirs(self) -> tuple[bytes, ...]:
        """Return the folders that hold HEAD, objects and refs: git directories of any name."""
        return tuple(sorted(set.intersection(*self._parents.values())))


def survey_entries(entries: Iterable[Entry], sampler: NameSampler | None = None) -> Survey:
    """Count the entries of a walk over a repo, and find its git directories and special files.

    The size of a file with several names counts once.
    """
    census = Census(sampler)
    tree = newest = 0
    linked: set[int] = set()
    specials: list[str] = []
    pointers: list[bytes] = []
    lfs, count = _LfsCandidates(), 0
    for count, entry in enumerate(entries, 1):  # noqa: B007  # the number is used after the loop
        tree += _fingerprint(entry)
        newest = max(newest, entry.ctime_ns)
        if entry.kind not in _SPECIAL:
            folder = entry.kind == "d"
            census.add(entry.path, entry.size, folder=folder)
            if not folder and entry.links > 1:
                if entry.inode in linked:
                    census.count_again(entry.size)
                linked.add(entry.inode)
            name = entry.path.rpartition(b"/")[2]
            if folder and name in _SERVER_NAMES and len(specials) < _MOST_SPECIALS:
                specials.append(f"folder {entry.path.decode(errors='replace')}")
            if not folder and _POINTER.search(entry.path):
                pointers.append(entry.path)
            lfs.add(entry)
        elif len(specials) < _MOST_SPECIALS:
            specials.append(f"{_SPECIAL[entry.kind]} {entry.path.decode(errors='replace')}")
    tally = census.tally(_hex(tree), newest)
    return Survey(
        *(tally, census.git_dirs(), tuple(specials), bool(linked), count),
        contents=census.contents(),
        sampler=sampler,
        pointers=tuple(pointers[:_MOST_SPECIALS]),
        lfs_candidates=lfs.paths(),
    )


class _LfsCandidates:
    """Finds the files of a walk that may be pointers of Git LFS.

    A pointer has three lines, the last of which is the size of the file; see
    https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md. Only a repo with attributes has some.
    """

    def __init__(self) -> None:
        self._has_attributes = False
        self._paths: list[bytes] = []

    def add(self, entry: Entry) -> None:
        """Look at the next entry."""
        if entry.path.endswith(b".gitattributes"):
            self._has_attributes = True
        of_that_size = entry.kind == "f" and 124 <= entry.size <= 144
        if of_that_size and len(self._paths) < _MOST_SPECIALS and not _IN_GIT.search(entry.path):
            self._paths.append(entry.path)

    def paths(self) -> tuple[bytes, ...]:
        """Return their paths, at most as many as are told."""
        return tuple(self._paths) if self._has_attributes else ()


class Folds:
    """Finds the entries of a walk whose names differ only in case."""

    def __init__(self) -> None:
        self._kept: dict[str, bytes] = {}
        self._folded: dict[bytes, str] = {}

    def seeing(self, entries: Iterable[Entry]) -> Iterator[Entry]:
        """Yield `entries`, and note them."""
        for entry in entries:
            key = entry.path.decode(errors="surrogateescape").casefold()
            other = self._kept.setdefault(key, entry.path)
            if other != entry.path:
                self._kept[key] = min(other, entry.path)
                self._folded[max(other, entry.path)] = key
            yield entry

    def folded(self) -> dict[bytes, bytes]:
        """Return the entries to leave out, each with the one that is kept; none below another."""
        found = {path: self._kept[key] for path, key in self._folded.items()}
        return {path: kept for path, kept in found.items() if not found.keys() & {*_parents(path)}}


def git_state(host: Host, root: str, git_dirs: Iterable[bytes]) -> int:
    """Return a number that changes whenever anything in the git directories at `git_dirs` does.

    A git directory that vanished adds nothing to it.
    """
    outermost = _outermost(git_dirs)
    if len(outermost) > _MOST_WALKS:
        inside = partial(_is_inside, frozenset(outermost))
        entries = host.walk(root, prune=PRUNED)
        return sum(_fingerprint(entry) for entry in entries if inside(entry.path))
    state = 0
    for git_dir in outermost:
        path = root if not git_dir else f"{root}/{git_dir.decode(errors='surrogateescape')}"
        with contextlib.suppress(Failed):
            state += sum(_fingerprint(entry) for entry in host.walk(path, prune=PRUNED))
    return state


def _is_inside(folders: frozenset[bytes], path: bytes) -> bool:
    return not folders.isdisjoint(_parents(path))


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

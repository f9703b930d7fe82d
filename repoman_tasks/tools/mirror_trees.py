"""Lists what mirrors, and snapshots of them, hold: names, sizes and times, no contents."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from repoman_tasks.errors import Failed
from repoman_tasks.hosts.base import WALK_SECONDS, Future, Result
from repoman_tasks.planning.mirror.versions import FOLDER, Tree
from repoman_tasks.planning.names import with_parents
from repoman_tasks.tools.share import Share
from repoman_tasks.tools.snapshot_folders import has_folders

__all__ = ["read_trees"]

_AT_ONCE = 24
"""Number of snapshots to look into before their trees are passed on."""
_JOBS = 8
"""Number of programs that look into them at the same time: a file server answers late."""
_ENTRY = r"%H\0%y %s %T@ %P\0"
_WALK = ("-name", ".zfs", "-prune", "-o", "-printf", _ENTRY)


def read_trees(share: Share, roots: Sequence[str], inner: str) -> Iterator[Tree | None]:
    """Yield what each of `roots`, the mirrors' folder and snapshots of it, has at the path `inner`.

    It is None if that is unknown, because the snapshot is an empty folder on this host. No symlink
    is followed. Raise TargetUnusable if the share does not answer, Failed if something can't be
    read.
    """
    for start in range(0, len(roots), _AT_ONCE):
        chunk = roots[start : start + _AT_ONCE]
        paths = [f"{root}/{path}" for root in chunk for path in with_parents(inner)]
        found = share.read(["find", *paths, "-maxdepth", "0", "-printf", _ENTRY])
        heads = dict(_entries(found))
        present = [root for root in chunk if _is_there(heads, root, inner)]
        folders = [f"{root}/{inner}" for root in present if heads[f"{root}/{inner}"].is_folder]
        trees = _walk(share, folders)
        for root in chunk:
            path = f"{root}/{inner}"
            if root not in present:
                yield {} if root == share.root or has_folders(share, root) else None
            else:
                yield trees.get(path) or _as_tree([heads[path]])


def _is_there(heads: Mapping[str, _Entry], root: str, inner: str) -> bool:
    """Return True if `inner` exists below `root`, and no symlink leads to it."""
    parents = [f"{root}/{parent}" for parent in with_parents(inner)[:-1]]
    return f"{root}/{inner}" in heads and all(heads[parent].is_folder for parent in parents)


def _walk(share: Share, folders: Sequence[str]) -> Mapping[str, Tree]:
    """Return what each of `folders` holds."""
    groups = [folders[number::_JOBS] for number in range(min(_JOBS, len(folders)))]
    argvs = [["find", *group, *_WALK] for group in groups]
    asked = [share.submit(argv, WALK_SECONDS) for argv in argvs]
    if share.host.keeps_caches and len(asked) > 1:
        # Here a program runs when its answer is awaited; on another host all take one round trip.
        with ThreadPoolExecutor(_JOBS) as pool:
            list(pool.map(Future.result, asked))
    trees: dict[str, dict[str, tuple[int, str]]] = {}
    for answer in asked:
        found = answer.result()
        if found.code:
            raise Failed(f"a mirror on {share.probe.path} can't be read", found.complaint)
        for path, entry in _entries(found):
            trees.setdefault(path, {})[entry.path] = (entry.size, entry.stamp)
    return trees


class _Entry(NamedTuple):
    """An entry as in `Tree`."""

    path: str
    size: int
    stamp: str

    @property
    def is_folder(self) -> bool:
        return self.stamp == FOLDER


def _entries(found: Result) -> Iterator[tuple[str, _Entry]]:
    """Yield the entries that find printed, each with the path that it was found by."""
    printed = found.text.split("\0")
    return zip(printed[:-1:2], map(_entry, printed[1::2]), strict=True)


def _entry(text: str) -> _Entry:
    kind, size, mtime, path = text.split(" ", 3)
    return _Entry(path, 0, FOLDER) if kind == FOLDER else _Entry(path, int(size), f"{kind} {mtime}")


def _as_tree(entries: Iterable[_Entry]) -> Tree:
    return {entry.path: (entry.size, entry.stamp) for entry in entries}

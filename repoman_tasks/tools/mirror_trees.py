"""Lists what mirrors, and snapshots of them, hold: names, sizes and times, no contents."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import NamedTuple

from repoman_tasks.errors import Failed
from repoman_tasks.hosts.base import WALK_SECONDS, Future, Result
from repoman_tasks.planning.mirror.versions import FOLDER, Tree
from repoman_tasks.planning.names import with_parents
from repoman_tasks.tools.share import Share
from repoman_tasks.tools.snapshot_folders import has_folders

__all__ = ["read_trees"]

_AT_ONCE = 20
"""Number of snapshots that one child looks into."""
_JOBS = 8
"""Number of snapshots that are looked into at the same time: a file server answers late."""
_ENTRY = r"%y %s %T@ %P\0"


def read_trees(share: Share, roots: Sequence[str], inner: str) -> Iterator[Tree | None]:
    """Yield what each of `roots`, the mirrors' folder and snapshots of it, has at the path `inner`.

    It is None if that is unknown, because the snapshot is an empty folder on this host. No symlink
    is followed. Raise TargetUnusable if the share does not answer, Failed if something can't be
    read.
    """
    for start in range(0, len(roots), _AT_ONCE):
        chunk = roots[start : start + _AT_ONCE]
        paths = [f"{root}/{path}" for root in chunk for path in with_parents(inner)]
        found = share.read(["find", *paths, "-maxdepth", "0", "-printf", rf"%p\0{_ENTRY}"])
        told = found.text.split("\0")
        entries = dict(zip(told[:-1:2], map(_entry, told[1::2]), strict=True))
        if share.host.keeps_caches:  # here a program runs when its answer is awaited
            with ThreadPoolExecutor(_JOBS) as pool:
                yield from pool.map(partial(_read_tree, share, inner, entries), chunk)
        else:  # there all of them take one round trip
            trees = [_submit_tree(share, inner, entries, root) for root in chunk]
            yield from (tree.result() for tree in trees)


def _read_tree(share: Share, inner: str, entries: Mapping[str, _Entry], root: str) -> Tree | None:
    return _submit_tree(share, inner, entries, root).result()


def _submit_tree(
    share: Share, inner: str, entries: Mapping[str, _Entry], root: str
) -> Future[Tree | None]:
    """Ask for the entries at `inner`; `entries` are that itself, and its parents, of all roots."""
    path = f"{root}/{inner}"
    parents = [f"{root}/{parent}" for parent in with_parents(inner)[:-1]]
    if path not in entries or any(entries[parent].stamp != FOLDER for parent in parents):
        return Future(lambda: {} if has_folders(share, root) else None)
    if entries[path].stamp != FOLDER:
        return Future(lambda: _as_tree([entries[path]]))
    argv = ["find", path, "-name", ".zfs", "-prune", "-o", "-printf", _ENTRY]
    return share.submit(argv, WALK_SECONDS).then(partial(_tree, path))


def _tree(path: str, found: Result) -> Tree:
    if found.code:
        raise Failed(f"{path} can't be read", found.complaint)
    return _as_tree(map(_entry, found.text.split("\0")[:-1]))


class _Entry(NamedTuple):
    """An entry as in `Tree`."""

    path: str
    size: int
    stamp: str


def _entry(text: str) -> _Entry:
    kind, size, mtime, path = text.split(" ", 3)
    return _Entry(path, 0, FOLDER) if kind == FOLDER else _Entry(path, int(size), f"{kind} {mtime}")


def _as_tree(entries: Iterable[_Entry]) -> Tree:
    return {entry.path: (entry.size, entry.stamp) for entry in entries}

"""Lists what mirrors, and snapshots of them, hold: names, sizes and times, no contents."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial

from repoman_tasks.errors import Failed
from repoman_tasks.hosts.base import WALK_SECONDS, Future, Result
from repoman_tasks.planning.mirror.versions import FOLDER, Tree
from repoman_tasks.planning.names import with_parents
from repoman_tasks.tools.share import Share
from repoman_tasks.tools.snapshot_folders import has_folders

__all__ = ["read_trees"]

_AT_ONCE = 20
"""Number of snapshots that one child looks into."""
_ENTRY = r"%y %s %T@ %P\0"


def read_trees(share: Share, roots: Sequence[str], inner: str) -> Iterator[Tree | None]:
    """Yield what each of `roots`, the mirrors' folder and snapshots of it, has at the path `inner`.

    It is None if that is unknown, because the snapshot is an empty folder on this host. No symlink
    is followed. Raise TargetUnusable if the share does not answer, Failed if something can't be
    read.
    """
    for start in range(0, len(roots), _AT_ONCE):
        chunk = roots[start : start + _AT_ONCE]
        kinds = _kinds(share, [f"{root}/{path}" for root in chunk for path in with_parents(inner)])
        trees = [_submit_tree(share, root, inner, kinds) for root in chunk]
        yield from (tree.result() for tree in trees)


def _submit_tree(
    share: Share, root: str, inner: str, kinds: Mapping[str, str]
) -> Future[Tree | None]:
    path = f"{root}/{inner}"
    parents = [f"{root}/{parent}" for parent in with_parents(inner)[:-1]]
    if path not in kinds or any(kinds[parent] != FOLDER for parent in parents):
        return Future(lambda: {} if has_folders(share, root) else None)
    argv = ["find", path, "-name", ".zfs", "-prune", "-o", "-printf", _ENTRY]
    return share.submit(argv, WALK_SECONDS).then(partial(_tree, path))


def _kinds(share: Share, paths: Sequence[str]) -> dict[str, str]:
    """Return find's letter of the kind of each of `paths` that exists."""
    found = share.read(["find", *paths, "-maxdepth", "0", "-printf", r"%y %p\0"]).text
    entries = (line.partition(" ") for line in found.split("\0")[:-1])
    return {path: kind for kind, _, path in entries}


def _tree(path: str, found: Result) -> Tree:
    if found.code:
        raise Failed(f"{path} can't be read", found.complaint)
    entries = (line.split(" ", 3) for line in found.text.split("\0")[:-1])
    return {
        name: (0, FOLDER) if kind == FOLDER else (int(size), f"{kind} {mtime}")
        for kind, size, mtime, name in entries
    }

"""Versions of a repo, or of a path in it, that snapshots of its mirror hold. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from repoman_tasks.late_dataclass import dataclass
from repoman_tasks.planning.mirror.sync_plan import Counts

__all__ = ["FOLDER", "SnapshotState", "Tree", "Version", "find_versions"]

Tree = Mapping[str, tuple[int, str]]
"""Size and stamp of each entry by its path; an empty path is the root. The stamp of a file is its
kind and mtime, that of a folder `FOLDER`."""

FOLDER = "d"


@dataclass(frozen=True)
class SnapshotState:
    """The content of a snapshot, or of the mirror itself."""

    name: str
    taken: str
    """When it was taken, in the registry's format; empty if unknown."""
    tree: Tree | None
    """None if it can't be read here; empty if it has no such path."""


@dataclass(frozen=True)
class Version:
    """A content, and the consecutive snapshots that hold it, the newest first."""

    snapshots: tuple[str, ...]
    taken: str
    """When the oldest of them was taken."""
    size: int | None
    """Bytes in its files; None if it can't be read here."""
    missing: bool
    """If true, it has no such path."""
    changes: Counts | None
    """Differences from the version before; None if that one is unknown."""


def find_versions(states: Iterable[SnapshotState]) -> Iterator[Version]:
    """Yield the versions of `states`, the newest first; only two trees are kept at a time."""
    names: list[str] = []
    newer: SnapshotState | None = None
    for state in states:
        if newer is not None and (state.tree is None or state.tree != newer.tree):
            yield _version(newer, names, state.tree)
            names = []
        newer = state
        names.append(state.name)
    if newer is not None:
        yield _version(newer, names, None)


def _version(state: SnapshotState, names: list[str], before: Tree | None) -> Version:
    tree = state.tree
    return Version(
        tuple(names),
        state.taken,
        None if tree is None else sum(size for size, _ in tree.values()),
        missing=tree is not None and not tree,
        changes=None if tree is None or before is None else _changes(before, tree),
    )


def _changes(before: Tree, after: Tree) -> Counts:
    both = before.keys() & after.keys()
    return Counts(
        new=len(after.keys() - before.keys()),
        changed=sum(before[path] != after[path] for path in both),
        deleted=len(before.keys() - after.keys()),
    )

"""Finds out if a mirror, or a snapshot of it, has what is to be restored."""

from __future__ import annotations

import stat
from collections.abc import Sequence

from repoman_tasks.errors import Failed, Refused
from repoman_tasks.planning.names import with_parents
from repoman_tasks.tools.share import Share

__all__ = ["check_source", "has_folders"]


def has_folders(share: Share, root: str) -> bool:
    """Return True if a folder is directly in `root`; a snapshot that is not mounted has none."""
    argv = ["find", f"{root}/", "-mindepth", "1", "-maxdepth", "1", "-type", "d"]
    return bool(share.read([*argv, "-printf", "x", "-quit"]).out)


def check_source(
    share: Share, root: str, repo: str, paths: Sequence[str], snapshot: str, cure: str
) -> None:
    """Raise Failed if the mirror of `repo` below `root`, or one of `paths` in it, does not exist.

    Raise Refused if a folder above one of `paths` is a symlink, which rsync would follow.
    `snapshot` is the name of the snapshot, empty for the mirrors themselves; `cure` is for what
    does not exist.
    """
    what = f"the snapshot {snapshot}" if snapshot else f"the mirrors on {share.probe.path}"
    folder = f"{root}/{repo}"
    if not _modes(share, [folder]):
        if snapshot and not has_folders(share, root):
            raise Failed(
                f"{what} is an empty folder on this host, so its content is unknown",
                "export the file system with the option crossmnt, or mount it by itself",
            )
        raise Failed(f"there is no {repo} in {what}", cure)
    parents = {parent for path in paths for parent in with_parents(path)}
    modes = _modes(share, [f"{folder}/{parent}" for parent in sorted(parents)])
    for path in paths:
        if f"{folder}/{path}" not in modes:
            raise Failed(f"there is no {path} in {repo} in {what}", cure)
        for parent in with_parents(path)[:-1]:
            if stat.S_ISLNK(modes[f"{folder}/{parent}"]):
                raise Refused(f"{parent} in {repo} in {what} is a symlink", "name what it leads to")


def _modes(share: Share, paths: Sequence[str]) -> dict[str, int]:
    """Return the st_mode of those of `paths` that exist, symlinks not followed."""
    if not paths:
        return {}
    text = share.read(["stat", "--printf", "%f %n\\0", "--", *paths]).text
    entries = (line.partition(" ") for line in text.split("\0")[:-1])
    return {name: int(mode, 16) for mode, _, name in entries}

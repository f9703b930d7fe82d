"""Lists the names of the share's snapshots by one question, before its mount point is known."""

from __future__ import annotations

import posixpath
from collections.abc import Sequence

from repoman_tasks.hosts.base import Future, Host, Result

__all__ = ["PLACEHOLDER", "SNAPSHOT_FOLDERS", "SnapshotListing"]

SNAPSHOT_FOLDERS = (".zfs/snapshot", ".snapshot", "#snapshot")
"""Folders that hold snapshots: of ZFS, NetApp and others, Synology."""
PLACEHOLDER = "{name}"
"""Stands for the name of a snapshot in `snapshots` of the registry."""
_MOST_PARENTS = 8
"""The most folders above the share's root to look into."""
_SAMBA = "@GMT-"


class SnapshotListing:
    """The question for the names of all snapshots of the folder at `root`, a share's root.

    `path` is another path of it, which tells how many folders may be above it on the share;
    `pattern` is that of the registry, or empty.
    """

    def __init__(self, host: Host, root: str, path: str, pattern: str, timeout: float) -> None:
        depth = min(path.rstrip("/").count("/"), _MOST_PARENTS)
        self._bases = [posixpath.join(root, *[".."] * up) + "/" for up in range(depth)]
        self._others = [pattern.partition(PLACEHOLDER)[0]] if pattern else []
        inner = [f"{base}{folder}/" for base in self._bases for folder in SNAPSHOT_FOLDERS]
        argv = ["find", *self._bases, *inner, *self._others, "-mindepth", "1", "-maxdepth", "1"]
        argv += ["-type", "d", "-printf", r"%H\0%f\0"]
        self._asked: Future[Result] = host.submit(argv, timeout=timeout)

    def names(self, parents: int) -> Sequence[str]:
        """Return the names. Raise TimedOut if the share does not answer.

        `parents` is the number of folders above the root that are on the share, too.
        """
        parts = self._asked.result().text.split("\0")
        own = self._bases[: parents + 1]
        places = {f"{base}{folder}/" for base in own for folder in SNAPSHOT_FOLDERS}
        places |= set(self._others)
        return [
            name
            for place, name in zip(parts[:-1:2], parts[1::2], strict=True)
            if place in places or (place in own and name.startswith(_SAMBA))
        ]

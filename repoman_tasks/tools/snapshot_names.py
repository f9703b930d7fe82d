"""Finds the snapshots of the share by one question, before its mount point is known."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Sequence

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
    `pattern` is that of the registry, or empty. It is asked by ls: find looks at each folder that
    it lists, one after the other, and ZFS mounts a snapshot for that.
    """

    def __init__(self, host: Host, root: str, path: str, pattern: str, timeout: float) -> None:
        depth = min(path.rstrip("/").count("/"), _MOST_PARENTS)
        self._bases = [posixpath.join(root, *[".."] * up) + "/" for up in range(depth)]
        self._before, _, self._after = pattern.partition(PLACEHOLDER)
        inner = [f"{base}{folder}/" for base in self._bases for folder in SNAPSHOT_FOLDERS]
        places = [*self._bases, *inner, *filter(None, [self._before])]
        argv = ["ls", "-A", "-U", "-1", "-N", "-p", "--", *places]
        self._asked: Future[Result] = host.submit(argv, timeout=timeout, stoppable=True)
        self._headings = {f"{place}:": place for place in places}

    def find(self, inner: str) -> Sequence[tuple[str, str]]:
        """Return name and path of each snapshot of the root. Raise TimedOut if it does not answer.

        `inner` is the path of the root from the mount point, empty if it is that itself.
        """
        parts = inner.split("/") if inner else []
        ends = {
            base: "/".join(parts[len(parts) - up :])
            for up, base in enumerate(self._bases[: len(parts) + 1])
        }
        places = {f"{base}{at}/": ends[base] for base in ends for at in SNAPSHOT_FOLDERS}
        found = []
        for place, name in self._folders():
            if place in places:
                found.append((name, f"{place}{name}/{places[place]}".rstrip("/")))
            elif place in ends and name.startswith(_SAMBA):
                found.append((name, f"{place}{name}/{ends[place]}".rstrip("/")))
            elif place == self._before:
                found.append((name, f"{place}{name}{self._after}"))
        return found

    def _folders(self) -> Iterator[tuple[str, str]]:
        """Yield place and name of each folder in the listing.

        The name of a folder ends with its only slash, so it is never a heading.
        """
        place = ""
        for line in self._asked.result().text.split("\n"):
            place = self._headings.get(line, place)
            if line.endswith("/") and line not in ("/", "./", "../"):  # of a name with line breaks
                yield place, line[:-1]

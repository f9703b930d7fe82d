"""Finds the snapshots of the share that this host can read: ZFS, Samba, NAS systems, Btrfs."""

from __future__ import annotations

import posixpath
import stat
from collections.abc import Iterator, Sequence
from datetime import tzinfo

from repoman_tasks.errors import Failed, Refused
from repoman_tasks.planning.mirror.snapshots import Snapshot, snapshot_time
from repoman_tasks.planning.names import with_parents
from repoman_tasks.tools.share import Share
from repoman_tasks.tools.snapshot_names import PLACEHOLDER, SNAPSHOT_FOLDERS

__all__ = ["check_source", "has_folders", "list_snapshots"]


def list_snapshots(share: Share, pattern: str, zone: tzinfo) -> list[Snapshot]:
    """Return the snapshots of the share's root. Raise TargetUnusable if it does not answer.

    They lie at the root of the exported file system, which may be above the share's root.
    `pattern` is a path with `{name}` for one snapshot's name, or empty.
    """
    found = [snapshot for base, inner in _bases(share) for snapshot in _of_base(share, base, inner)]
    found += _of_pattern(share, pattern) if pattern else []
    return [Snapshot(name, root, snapshot_time(name, zone)) for name, root in found]


def _bases(share: Share) -> Iterator[tuple[str, str]]:
    """Yield the share's root and its parents up to the mount point, each with the path from it to
    the root."""
    yield share.root, ""
    top = share.probe.mount.target if share.probe.mount else share.probe.real
    inner = posixpath.relpath(share.probe.real, top)
    parts = [] if inner == "." else inner.split("/")
    for depth in reversed(range(len(parts))):
        yield posixpath.join(top, *parts[:depth]), "/".join(parts[depth:])


def _of_base(share: Share, base: str, inner: str) -> Iterator[tuple[str, str]]:
    """Yield name and root of each snapshot in the known folders of `base`."""
    for folder in SNAPSHOT_FOLDERS:
        for name in _folders(share, f"{base}/{folder}", "*"):
            yield name, posixpath.join(base, folder, name, inner).rstrip("/")
    for name in _folders(share, base, "@GMT-*"):
        yield name, posixpath.join(base, name, inner).rstrip("/")


def _of_pattern(share: Share, pattern: str) -> Iterator[tuple[str, str]]:
    before, _, after = pattern.partition(PLACEHOLDER)
    for name in _folders(share, before, "*"):
        yield name, f"{before}{name}{after}"


def _folders(share: Share, parent: str, pattern: str) -> list[str]:
    """Return the names of the folders directly in `parent`, none if it does not exist."""
    argv = ["find", f"{parent.rstrip('/')}/", "-mindepth", "1", "-maxdepth", "1", "-type", "d"]
    return share.read([*argv, "-name", pattern, "-printf", "%f\\0"]).text.split("\0")[:-1]


def has_folders(share: Share, root: str) -> bool:
    """Return True if a folder is directly in `root`; a snapshot that is not mounted has none."""
    return bool(_folders(share, root, "*"))


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

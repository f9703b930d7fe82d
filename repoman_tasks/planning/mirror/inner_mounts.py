"""File systems that are mounted in a repo, by identity instead of by path. Pure."""

from __future__ import annotations

import posixpath
from collections.abc import Sequence

from repoman_tasks.errors import Refused, RepomanError, quoted
from repoman_tasks.late_dataclass import dataclass
from repoman_tasks.mountinfo import MountEntry
from repoman_tasks.planning.mirror.share_check import (
    find_mount,
)
from repoman_tasks.planning.names import inside

__all__ = ["InnerMounts", "check_mounted_again", "check_no_share_in", "find_inner_mounts"]
__all__ += ["share_in_repo"]


@dataclass(frozen=True)
class InnerMounts:
    """The file systems in one repo."""

    paths: tuple[str, ...] = ()
    """Their mount points relative to the repo, "." for the repo itself."""
    problem: RepomanError | None = None
    """Why the repo can't be mirrored with them."""


def find_inner_mounts(mounts: Sequence[MountEntry], repo: str) -> tuple[MountEntry, ...]:
    """Return the mounts that can be seen at or below the real path `repo`, by path."""
    targets = {mount.target for mount in mounts if inside(mount.target, repo)}
    seen = {target: find_mount(mounts, target) for target in sorted(targets)}
    return tuple(
        mount for path, mount in seen.items() if mount is not None and mount.target == path
    )


def check_no_share_in(
    repo: str, mounts: Sequence[MountEntry], share: MountEntry, share_path: str
) -> None:
    """Raise Refused if one of `mounts`, which are in `repo`, shows the share at `share_path`.

    `share` is the mount that the share is on. The mirror would be copied into itself.
    """
    for mount in mounts:
        if _overlap(mount, share, share_path):
            raise share_in_repo(repo, mount, share_path)


def share_in_repo(repo: str, mount: MountEntry, share_path: str) -> Refused:
    """Return the error for a `mount` in `repo` that shows the share, too."""
    return Refused(
        f"{mount.target} shows the share at {share_path}, so {repo} contains the mirrors",
        f"unmount it with `umount {quoted(mount.target)}`",
    )


def _overlap(mount: MountEntry, share: MountEntry, share_path: str) -> bool:
    """Return True if both show the same file system, and one of them what the other shows."""
    below = posixpath.relpath(share_path, share.target)
    if _is_remote(mount) and _is_remote(share):  # the server's path, whatever client mounts it
        if mount.source.partition(":")[0] != share.source.partition(":")[0]:
            return mount.device == share.device
        mine = _joined(mount.source, mount.root)
        return _nested(mine, _joined(share.source, share.root, below))
    return mount.device == share.device and _nested(mount.root, _joined(share.root, below))


def _is_remote(mount: MountEntry) -> bool:
    return ":/" in mount.source


def _joined(first: str, *others: str) -> str:
    """Join paths of which the later ones may begin with a slash.

    POSIX lets two slashes at the start of a path mean something else, so normpath keeps them.
    """
    return posixpath.normpath(
        "/".join([first.rstrip("/"), *(other.lstrip("/") for other in others)])
    )


def _nested(one: str, other: str) -> bool:
    return inside(one, other) or inside(other, one)


def check_mounted_again(name: str, repo: str, now: Sequence[str], before: Sequence[str]) -> None:
    """Raise Refused if a file system that was mounted in `repo` at its last sync no longer is.

    Its files would look deleted.
    """
    gone = [path for path in before if path not in now]
    if gone:
        path = repo if gone[0] == "." else f"{repo}/{gone[0]}"
        raise Refused(
            f"a file system was mounted at {path} at the last sync, and none is now",
            f"mount it again; only if it is to be gone, `repoman sync {quoted(name)} --force` "
            "mirrors the repo without it",
        )

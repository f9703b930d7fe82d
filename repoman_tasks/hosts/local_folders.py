"""Resolves paths of folders on this host without touching a file system that may hang."""

from __future__ import annotations

import errno
import os
from collections.abc import Container

from repoman_tasks.mountinfo import parse_mountinfo

__all__ = ["MayHang", "real_folder", "slow_mount_points"]

_LOCAL_TYPES = frozenset(
    {
        *("bcachefs", "btrfs", "cgroup", "cgroup2", "devpts", "devtmpfs", "ecryptfs", "erofs"),
        *("exfat", "ext2", "ext3", "ext4", "f2fs", "iso9660", "jfs", "mqueue", "nilfs2", "ntfs3"),
        *("overlay", "proc", "ramfs", "reiserfs", "rootfs", "squashfs", "sysfs", "tmpfs", "udf"),
        *("vfat", "xfs", "zfs"),
    }
)
"""Types of file systems that wait for neither a server nor another process."""
_MOST_LINKS = 40


class MayHang(Exception):  # no error: the question has to be asked otherwise
    """A path leads to a file system that may hang."""


def slow_mount_points() -> frozenset[str]:
    """Return where file systems are mounted that may hang, or be mounted by a mere look."""
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
        mounts = parse_mountinfo(file.read())
    return frozenset(mount.target for mount in mounts if mount.fstype not in _LOCAL_TYPES)


def real_folder(path: str, slow: Container[str]) -> str | None:
    """Return the absolute `path` with symlinks resolved, None if it is not a folder.

    Raise MayHang before a mount point in `slow` is touched.
    """
    real, links, rest = "", 0, path.split("/")[::-1]
    while rest:
        part = rest.pop()
        if part == "..":
            real = real.rpartition("/")[0]
        elif part not in ("", "."):
            if f"{real}/{part}" in slow:
                raise MayHang(path)
            try:
                link = os.readlink(f"{real}/{part}")
            except OSError as error:
                if error.errno != errno.EINVAL:
                    return None
                real = f"{real}/{part}"  # no link
                continue
            links += 1
            if links > _MOST_LINKS:
                return None
            real, rest = "" if link.startswith("/") else real, rest + link.split("/")[::-1]
    return (real or "/") if os.path.isdir(real or "/") else None

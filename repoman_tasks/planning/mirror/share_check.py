"""Checks that the backup share is mounted from the file server and belongs to this estate. Pure."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence

from repoman_tasks.errors import TargetUnusable, quoted
from repoman_tasks.late_dataclass import dataclass
from repoman_tasks.model import Defaults
from repoman_tasks.mountinfo import MountEntry
from repoman_tasks.planning.names import inside

__all__ = [
    "ASIDE",
    "BASELINES",
    "MARKER",
    "MARKER_NANOSECONDS",
    "MARKER_SECONDS",
    "REGISTRY_COPIES",
    "Marker",
    "Probe",
    "check_free",
    "check_marker",
    "check_readable",
    "check_share",
    "check_still_mounted",
    "check_writable",
    "find_mount",
    "marker_text",
    "parse_marker",
    "writable_mount_points",
]

MARKER = ".repoman-share"
"""File on the share that names the estate it belongs to."""
BASELINES = ".repoman-share.baselines"
"""Folder on the share with a copy of the baseline of each project."""
ASIDE = ".repoman-share.aside"
"""The first part of the names of folders that hold what the repair of a mirror replaced."""
REGISTRY_COPIES = ".repoman-share.registry"
"""Folder on the share with copies of the registry, one for each day on which it changed."""

MARKER_SECONDS = 1_700_000_101
"""The seconds of that time. They are odd: a share that keeps only even ones is recognised, too."""
MARKER_NANOSECONDS = 123_456_789
"""Nanoseconds of the marker's modification time, by which a share that keeps them is recognised."""


def find_mount(mounts: Sequence[MountEntry], path: str) -> MountEntry | None:
    """Return the mount that the real path `path` is on; None if there is no root.

    Like the kernel, cross the nearest mount point again and again, beginning at the root. This
    finds the topmost of stacked mounts (nfs over autofs) and no mount that is hidden by another.
    """
    ids = {mount.id for mount in mounts}
    current = next(
        (m for m in mounts if m.target == "/" and (m.parent not in ids or m.parent == m.id)), None
    )
    while current is not None:
        below = [
            m
            for m in mounts
            if m.parent == current.id and m.id != current.id and inside(path, m.target)
        ]
        if not below:
            break
        current = min(reversed(below), key=lambda m: len(m.target))
    return current


def writable_mount_points(mounts: Sequence[MountEntry], fstypes: Sequence[str]) -> list[str]:
    """Return the mount points of file systems of the given types, without read-only ones."""
    return sorted({m.target for m in mounts if m.fstype in fstypes and not m.read_only})


@dataclass(frozen=True)
class Marker:
    """Marker on the share: the estate's id, and the attributes that the share kept of the file."""

    estate: str
    """Id of the estate; empty if the marker can't be read."""
    owner: int
    nanoseconds: int
    group: int = -1
    modes: bool = True
    """False if the share refused to change the mode of a file."""
    times: bool = True
    """False if it refused to change times."""
    links: bool = True
    """False if it refused a hard link."""
    seconds: int = 0
    """Seconds of its modification time."""


def marker_text(estate: str, when: str, refuses: Sequence[str] = ()) -> str:
    """Return the marker's content for the estate with the id `estate`; `when` is a time.

    `refuses` names what the share does not let be done to a file: "links", "modes", "times".
    """
    return (
        "# Backup share of one repoman estate. `repoman sync` writes and deletes files here.\n"
        f'estate = "{estate}"\nmarked = "{when}"\n'
        + ("refuses = [{}]\n".format(", ".join(f'"{one}"' for one in refuses)) if refuses else "")
    )


def parse_marker(
    text: str, owner: int, nanoseconds: int, group: int = -1, seconds: int = 0
) -> Marker:
    """Parse the marker's text; if that is impossible, its estate is an empty string."""
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        table = {}
    estate, refuses = table.get("estate", ""), table.get("refuses", [])
    refuses = refuses if isinstance(refuses, list) else []
    known = estate if isinstance(estate, str) else ""
    return Marker(
        *(known, owner, nanoseconds, group),
        seconds=seconds,
        modes="modes" not in refuses,
        times="times" not in refuses,
        links="links" not in refuses,
    )


@dataclass(frozen=True)
class Probe:
    """Facts about the path where the share should be mounted."""

    path: str
    real: str
    """Real path."""
    mount: MountEntry | None
    local_mount: MountEntry | None
    """MountEntry that local_repos is on."""
    still_there: bool
    """True if the path led to the same folder before and after the probe."""
    writable: bool
    free_mib: int
    marker: Marker | None
    uid: int
    other_groups: frozenset[int] = frozenset()
    """Supplementary groups of the user."""
    folds_case: bool = False
    """True if the share does not tell names from each other that differ only in case."""
    mounts: tuple[MountEntry, ...] = ()
    """All mounts of the host."""

    @property
    def keeps_owners(self) -> bool:
        """True if the share keeps owners, which takes root without root_squash."""
        return self.marker is not None and self.marker.owner == self.uid == 0

    @property
    def keeps_groups(self) -> bool:
        """True if files on the share can be given to the user's supplementary groups.

        A server with manage-gids (nfs.conf(5)) may not know these groups, and then every chgrp
        fails. So the marker was given to one of them, as a test.
        """
        if self.marker is None or self.marker.owner != self.uid:
            return False
        return self.keeps_owners or self.marker.group in self.other_groups

    @property
    def keeps_modes(self) -> bool:
        """True if the share lets modes be changed."""
        return self.marker is None or self.marker.modes

    @property
    def keeps_times(self) -> bool:
        """True if the share lets times be changed."""
        return self.marker is None or self.marker.times

    @property
    def keeps_links(self) -> bool:
        """True if a file on the share can have several names."""
        return self.marker is None or self.marker.links

    @property
    def keeps_odd_seconds(self) -> bool:
        """True if the share keeps each second of times; FAT keeps every other one."""
        return self.marker is None or self.marker.seconds != MARKER_SECONDS - 1

    @property
    def keeps_nanoseconds(self) -> bool:
        """True if the share keeps the nanoseconds of times."""
        return self.marker is not None and self.marker.nanoseconds == MARKER_NANOSECONDS


def check_readable(probe: Probe, defaults: Defaults) -> MountEntry:
    """Return the mount of the share. Raise TargetUnusable if it is not a mounted share.

    The marker is not checked.
    """
    where, mount = probe.path, probe.mount
    if mount is None or not probe.still_there:
        raise TargetUnusable(f"{where} changed during the check", "try again")
    _check_file_system(where, mount, probe, defaults)
    return mount


def check_share(probe: Probe, defaults: Defaults) -> None:
    """Raise TargetUnusable if mirrors can't be written here. The marker is not checked."""
    check_writable(probe, defaults)
    check_free(probe, defaults)


def check_writable(probe: Probe, defaults: Defaults) -> None:
    """Raise TargetUnusable as `check_share` does, but not if there is too little free space."""
    where, mount = probe.path, check_readable(probe, defaults)
    if mount.read_only:
        raise TargetUnusable(
            f"{where} is mounted read-only", f"run `mount -o remount,rw {quoted(mount.target)}`"
        )
    if not probe.writable:
        raise TargetUnusable(
            f"{where} can't be written by uid {probe.uid}",
            "check its owner and mode on the file server, and root_squash if you are root",
        )


def check_free(probe: Probe, defaults: Defaults) -> None:
    """Raise TargetUnusable if the share has too little free space for a mirror to grow."""
    if probe.free_mib < defaults.min_free_mib:
        where = probe.path
        raise TargetUnusable(
            f"{where} has {probe.free_mib} MiB free, min_free_mib is {defaults.min_free_mib}",
            "make room on the file server, or lower min_free_mib in [defaults]",
        )


def _check_file_system(where: str, mount: MountEntry, probe: Probe, defaults: Defaults) -> None:
    if mount.fstype not in defaults.nfs_fstypes:
        raise TargetUnusable(
            f"{where} is on {mount.fstype} ({mount.source} mounted at {mount.target}), "
            f"not on {' or '.join(defaults.nfs_fstypes)}",
            f"mount the share there (`mount {quoted(where)}`), or set nfs_fstypes in [defaults]",
        )
    if probe.local_mount is not None and probe.local_mount.device == mount.device:
        raise TargetUnusable(
            f"{where} is on the same file system as local_repos ({mount.target})",
            "mount the share, or change nfs_repos: a mirror on the same disk is no backup",
        )


def check_marker(probe: Probe, estate: str) -> None:
    """Raise TargetUnusable unless the share has the marker of the estate with the id `estate`."""
    if probe.marker is None:
        right = "mount the right share, or mark this one with `repoman setup --new-share`"
        raise TargetUnusable(
            f"{probe.path} has no marker ({MARKER}), so it may be the wrong share",
            right if estate else "mark it with `repoman setup`",
        )
    if not estate or probe.marker.estate != estate:
        right = "mount the right share, or take this one over with `repoman setup --new-share`"
        raise TargetUnusable(
            f"{probe.path} belongs to estate {probe.marker.estate or 'unknown'}, "
            f"this registry to estate {estate or 'none yet'}",
            right if estate else "take it over with `repoman setup --adopt-share`",
        )


def check_still_mounted(first: Probe, mounts: Sequence[MountEntry]) -> None:
    """Raise TargetUnusable if the share is no longer mounted as in the `first` probe."""
    assert first.mount is not None
    mount = find_mount(mounts, first.real)
    if mount is None or mount.id != first.mount.id:
        raise TargetUnusable(
            f"{first.path} was unmounted or remounted during the run",
            "mount it and sync again; files written so far are on the share mounted before",
        )
    if mount.read_only:
        raise TargetUnusable(
            f"{first.path} became read-only during the run",
            f"run `mount -o remount,rw {quoted(mount.target)}`, then sync again",
        )

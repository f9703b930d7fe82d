"""Judging the backup share: is this really the file server, and really this estate's share?"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass

from repoman_tasks.errors import TargetUnusable
from repoman_tasks.model import Defaults
from repoman_tasks.planning.names import inside

__all__ = [
    "MARKER",
    "MARKER_NANOSECONDS",
    "Marker",
    "Mount",
    "Probe",
    "judge",
    "judge_again",
    "marker_text",
    "mount_at",
    "offered",
    "parse_marker",
    "parse_mounts",
]

MARKER = ".repoman-share"
"""The file on the share that says whose share it is."""

MARKER_NANOSECONDS = 123_456_789
"""The fraction that the marker's time is given, to see later what the share keeps of it."""


@dataclass(frozen=True)
class Mount:
    """One line of /proc/self/mountinfo (proc_pid_mountinfo(5))."""

    id: int
    parent: int
    device: str
    target: str
    fstype: str
    source: str
    read_only: bool


def parse_mounts(mountinfo: str) -> tuple[Mount, ...]:
    """Read the text of /proc/self/mountinfo; the order is the kernel's."""
    return tuple(_mount(line) for line in mountinfo.splitlines() if " - " in line)


def _mount(line: str) -> Mount:
    left, _, right = line.partition(" - ")
    number, parent, device, _, target, options, *_ = left.split(" ")
    fstype, source, super_options = [*right.split(" "), "", ""][:3]
    return Mount(
        id=int(number),
        parent=int(parent),
        device=device,
        target=_unescaped(target),
        fstype=fstype,
        source=_unescaped(source),
        read_only="ro" in options.split(",") or "ro" in super_options.split(","),
    )


def _unescaped(text: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), text)


def mount_at(mounts: Sequence[Mount], path: str) -> Mount | None:
    """The mount that `path` (absolute, links resolved) lies on, found as the kernel walks it.

    From the root, each step crosses the nearest mount point on the way. So the topmost of
    stacked mounts counts, autofs below nfs for one, and a mount that another hides does not.
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


def offered(mounts: Sequence[Mount], fstypes: Sequence[str]) -> list[str]:
    """The places where a share of one of these types is mounted."""
    return sorted({m.target for m in mounts if m.fstype in fstypes and not m.read_only})


@dataclass(frozen=True)
class Marker:
    """What the marker on the share says, and what the share made of the file."""

    estate: str
    owner: int
    nanoseconds: int
    group: int = -1


def marker_text(estate: str, when: str) -> str:
    """The marker's content for the estate with that id."""
    return (
        "# The backup share of one repoman estate. `repoman sync` writes here and deletes here.\n"
        f'estate = "{estate}"\nmarked = "{when}"\n'
    )


def parse_marker(text: str, owner: int, nanoseconds: int, group: int = -1) -> Marker:
    """Read the marker; one that can't be read belongs to an estate without a name."""
    try:
        estate = tomllib.loads(text).get("estate", "")
    except tomllib.TOMLDecodeError:
        estate = ""
    return Marker(estate if isinstance(estate, str) else "", owner, nanoseconds, group)


@dataclass(frozen=True)
class Probe:
    """What was found where the share should be."""

    path: str
    real: str
    mount: Mount | None
    local_mount: Mount | None
    still_there: bool
    writable: bool
    free_mib: int
    marker: Marker | None
    uid: int
    other_groups: frozenset[int] = frozenset()
    """Groups of the user beside the first one."""

    @property
    def keeps_owners(self) -> bool:
        """Whether owners can be set here, which only a root who is not squashed can."""
        return self.marker is not None and self.marker.owner == self.uid == 0

    @property
    def keeps_groups(self) -> bool:
        """Whether a file here can be given to another group of the user.

        A server may know nothing of a user's groups (nfs.conf: manage-gids), and then every
        attempt would be an error. So it was tried on the marker.
        """
        if self.marker is None or self.marker.owner != self.uid:
            return False
        return self.keeps_owners or self.marker.group in self.other_groups

    @property
    def keeps_nanoseconds(self) -> bool:
        """Whether a file's time comes back from here as it was written."""
        return self.marker is not None and self.marker.nanoseconds == MARKER_NANOSECONDS


def judge(probe: Probe, defaults: Defaults) -> None:
    """`TargetUnusable` where this is no place to write to, the marker aside."""
    where, mount = probe.path, probe.mount
    if mount is None or not probe.still_there:
        raise TargetUnusable(f"{where} changed while it was looked at", "try again")
    if mount.fstype not in defaults.nfs_fstypes:
        raise TargetUnusable(
            f"{where} is on {mount.fstype} ({mount.source} mounted at {mount.target}), "
            f"not on {' or '.join(defaults.nfs_fstypes)}",
            f"mount the share there (`mount {where}`), or set nfs_fstypes in [defaults]",
        )
    if probe.local_mount is not None and probe.local_mount.device == mount.device:
        raise TargetUnusable(
            f"{where} is on the same file system as local_repos ({mount.target})",
            "a mirror there would be no backup: mount the share, or change nfs_repos",
        )
    if mount.read_only:
        raise TargetUnusable(
            f"{where} is mounted read-only", f"`mount -o remount,rw {mount.target}`"
        )
    if not probe.writable:
        raise TargetUnusable(
            f"{where} can't be written by uid {probe.uid}",
            "check its owner and mode on the file server, and root_squash where this is root",
        )
    if probe.free_mib < defaults.min_free_mib:
        raise TargetUnusable(
            f"{where} has {probe.free_mib} MiB free, min_free_mib is {defaults.min_free_mib}",
            "make room on the file server, or lower min_free_mib in [defaults]",
        )


def judge_marker(probe: Probe, estate: str) -> None:
    """`TargetUnusable` where the share does not carry the marker of the estate with that id."""
    if probe.marker is None:
        raise TargetUnusable(
            f"{probe.path} carries no marker ({MARKER}), so it may be the wrong share",
            "`repoman setup` marks a first share, `repoman setup --new-share` another one",
        )
    if not estate or probe.marker.estate != estate:
        raise TargetUnusable(
            f"{probe.path} belongs to estate {probe.marker.estate or 'unknown'}, "
            f"this registry is estate {estate or 'none yet'}",
            "mount the right share, or run `repoman setup`",
        )


def judge_again(first: Probe, mounts: Sequence[Mount]) -> None:
    """`TargetUnusable` where the share is no longer mounted as it was when the run began."""
    assert first.mount is not None
    now = mount_at(mounts, first.real)
    if now is None or now.id != first.mount.id:
        raise TargetUnusable(
            f"{first.path} was unmounted or remounted during the run",
            "what was written went to the share that was there before; mount it and sync again",
        )
    if now.read_only:
        raise TargetUnusable(
            f"{first.path} went read-only during the run",
            f"`mount -o remount,rw {now.target}`, then sync again",
        )

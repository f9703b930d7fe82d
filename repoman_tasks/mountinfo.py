"""The mounts of a host, as the kernel lists them."""

from __future__ import annotations

import re

from repoman_tasks.late_dataclass import dataclass

__all__ = ["MountEntry", "parse_mountinfo"]


@dataclass(frozen=True)
class MountEntry:
    """Line of /proc/self/mountinfo (proc_pid_mountinfo(5))."""

    id: int
    parent: int
    device: str
    target: str
    fstype: str
    source: str
    read_only: bool
    root: str = "/"
    """Folder of the file system that is mounted: another one than / by a bind mount."""


def parse_mountinfo(mountinfo: str) -> tuple[MountEntry, ...]:
    """Parse the text of /proc/self/mountinfo, in the kernel's order."""
    return tuple(_parse_line(line) for line in mountinfo.split("\n") if " - " in line)


def _parse_line(line: str) -> MountEntry:
    left, _, right = line.partition(" - ")
    number, parent, device, root, target, options, *_ = left.split(" ")
    fstype, source, super_options = [*right.split(" "), "", ""][:3]
    return MountEntry(
        id=int(number),
        parent=int(parent),
        device=device,
        target=_unescaped(target),
        fstype=fstype,
        source=_unescaped(source),
        read_only="ro" in options.split(",") or "ro" in super_options.split(","),
        root=_unescaped(root),
    )


def _unescaped(text: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), text)

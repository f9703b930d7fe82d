"""Walks over trees by find: a dead file system blocks only that child process. Pure."""

from __future__ import annotations

import os

from repoman_tasks.errors import Failed
from repoman_tasks.hosts.base import Entry

__all__ = ["check_complaints", "entries_argv", "not_a_folder", "parse_entry"]

_PASSING = (": No such file or directory", ": Not a directory", ": Permission denied")
"""Errors that a walk skips: entries that vanished or are not readable."""


def entries_argv(root: str, prune: frozenset[bytes]) -> list[str]:
    """Return the argv that prints `root` and all entries below it, each ended by NUL."""
    argv = ["find", root.rstrip("/") or "/"]
    for name in sorted(prune):
        argv += ["-name", os.fsdecode(name), "-prune", "-o"]
    return [*argv, "-printf", r"%y %i %s %T@ %C@ %n %P\0"]


def check_complaints(root: str, complaints: bytes, *, none_below: bool) -> None:
    """Raise Failed if find could not read `root` itself, or more than what vanished meanwhile.

    `none_below` says that it failed and printed no entry below `root`. What others write there,
    such as a loader, is no complaint of find.
    """
    for complaint in complaints.decode(errors="replace").splitlines():
        if not complaint.startswith("find: "):
            continue
        if none_below or not complaint.endswith(_PASSING):
            raise Failed(f"{root} can't be read", complaint.rpartition(": ")[2].lower())


def not_a_folder(root: str) -> Failed:
    """Return the error for a `root` whose record is not that of a folder."""
    return Failed(f"{root} can't be read", "not a directory")


def parse_entry(record: bytes) -> Entry:
    """Parse a record. Raise ValueError if it has another form."""
    kind, inode, size, mtime, ctime, links, path = record.split(b" ", 6)
    times = _nanoseconds(mtime), _nanoseconds(ctime)
    letter = kind.decode()
    return Entry(
        letter if letter in "fdlpsbc" else "f", path, int(inode), int(size), *times, int(links)
    )


def _nanoseconds(text: bytes) -> int:
    """Return find's %T@, seconds with ten decimals, in nanoseconds."""
    seconds, _, fraction = text.partition(b".")
    return int(seconds) * 10**9 + int(fraction[:9].ljust(9, b"0"))

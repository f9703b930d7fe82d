"""Looking for programs among all that run here, and waiting for what they do."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

__all__ = [
    "PATIENCE",
    "command_lines",
    "descendants",
    "lives",
    "running",
    "sleeping",
    "until",
    "users",
]

PATIENCE = 120.0
"""Seconds after which a wait is given up, only so that a test that hangs comes to an end."""


def command_lines() -> Iterator[tuple[int, list[bytes]]]:
    """Each process but this one, by its number, with its words."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                argv = (entry / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            yield int(entry.name), argv


def running(marker: str) -> list[int]:
    """The processes that have `marker` in one of their words."""
    return [pid for pid, argv in command_lines() if any(marker.encode() in w for w in argv)]


def sleeping(marker: str) -> list[int]:
    """Return the processes that are a `sleep` of so long, wherever they are."""
    return [pid for pid, argv in command_lines() if argv[:2] == [b"sleep", marker.encode()]]


def users(path: Path) -> set[int]:
    """The processes that have the file at `path` open."""
    pids = filter(str.isdigit, os.listdir("/proc"))
    return {int(pid) for pid in pids if str(path) in _files_of(pid)}


def _files_of(pid: str) -> list[str]:
    """Return what a process has open; what ends or is closed meanwhile is passed over."""
    found: list[str] = []
    with contextlib.suppress(OSError):
        for file in os.listdir(f"/proc/{pid}/fd"):
            with contextlib.suppress(OSError):
                found.append(os.readlink(f"/proc/{pid}/fd/{file}"))
    return found


def descendants(pids: list[int]) -> list[int]:
    """The processes that come from `pids`, near and far, as long as those in between live."""
    found = []
    for pid in pids:
        with contextlib.suppress(OSError):
            children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
            found += [*map(int, children), *descendants([*map(int, children)])]
    return found


def lives(pid: int) -> bool:
    """Whether a process runs; one that nobody has waited for yet does not."""
    try:
        return bool(Path(f"/proc/{pid}/cmdline").read_bytes())
    except OSError:
        return False


def until(true: Callable[[], object]) -> None:
    """Look again and again until it is `true`; raise AssertionError if it never is."""
    deadline = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < deadline, f"not within {PATIENCE:g} s"
        time.sleep(0.03)  # a look at all processes takes long itself

"""Looking for programs among all that run here, and waiting for what they do."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

__all__ = ["command_lines", "descendants", "lives", "running", "until", "users"]


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


def users(path: Path) -> set[int]:
    """The processes that have the file at `path` open."""
    found = set()
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            files = os.listdir(f"/proc/{pid}/fd")
            if any(os.readlink(f"/proc/{pid}/fd/{file}") == str(path) for file in files):
                found.add(int(pid))
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


def until(true: Callable[[], object], timeout: float) -> None:
    """Look again and again; an AssertionError if it is not `true` after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while not true():
        assert time.monotonic() < deadline, f"not within {timeout} s"
        time.sleep(0.03)  # a look at all processes takes long itself

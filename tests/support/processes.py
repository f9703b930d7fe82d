"""Find processes on this machine and wait for what they do."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

__all__ = [
    "WAIT_SECONDS",
    "find_descendants",
    "find_openers",
    "find_processes",
    "find_sleeps",
    "is_running",
    "list_processes",
    "wait_until",
]

WAIT_SECONDS = 120.0
"""The longest wait, in seconds: only to end a test that hangs."""


def list_processes() -> Iterator[tuple[int, list[bytes]]]:
    """Yield the pid and the argv of each process but this one."""
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and int(folder.name) != os.getpid():
            try:
                argv = (folder / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            yield int(folder.name), argv


def find_processes(marker: str) -> list[int]:
    """Return the processes with `marker` in one of their arguments."""
    return [pid for pid, argv in list_processes() if any(marker.encode() in arg for arg in argv)]


def find_sleeps(marker: str) -> list[int]:
    """Return the processes that run `sleep` with `marker` as the duration, in any namespace."""
    return [pid for pid, argv in list_processes() if argv[:2] == [b"sleep", marker.encode()]]


def find_openers(path: Path) -> set[int]:
    """Return the processes that have the file at `path` open."""
    pids = filter(str.isdigit, os.listdir("/proc"))
    return {int(pid) for pid in pids if str(path) in _files_of(pid)}


def _files_of(pid: str) -> list[str]:
    """Return the files that a process has open; skip what is closed meanwhile."""
    files: list[str] = []
    with contextlib.suppress(OSError):
        for file in os.listdir(f"/proc/{pid}/fd"):
            with contextlib.suppress(OSError):
                files.append(os.readlink(f"/proc/{pid}/fd/{file}"))
    return files


def find_descendants(pids: list[int]) -> list[int]:
    """Return the children of `pids`, their children, and so on."""
    found = []
    for pid in pids:
        with contextlib.suppress(OSError):
            children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
            found += [*map(int, children), *find_descendants([*map(int, children)])]
    return found


def is_running(pid: int) -> bool:
    """Return True if a process runs; a zombie does not."""
    try:
        return bool(Path(f"/proc/{pid}/cmdline").read_bytes())
    except OSError:
        return False


def wait_until(true: Callable[[], object]) -> None:
    """Wait until `true` returns something true; raise AssertionError if it never does."""
    deadline = time.monotonic() + WAIT_SECONDS
    while not true():
        assert time.monotonic() < deadline, f"not within {WAIT_SECONDS:g} s"
        time.sleep(0.03)  # reading all of /proc takes that long itself

"""Find processes on this machine and wait for what they do."""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import time
from collections.abc import Callable, Iterator
from pathlib import Path

__all__ = [
    "WAIT_SECONDS",
    "find_descendants",
    "find_processes",
    "find_sleeps",
    "is_running",
    "list_processes",
    "notice_open",
    "wait_until",
]

WAIT_SECONDS = 120.0
"""The longest wait, in seconds: only to end a test that hangs."""
_IN_OPEN = 0x20
"""See inotify(7)."""


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


@contextlib.contextmanager
def notice_open(path: Path) -> Iterator[Callable[[], bool]]:
    """Give a function that returns True once a process has opened the file at `path`.

    It notices a file that was closed at once, too.
    """
    libc = ctypes.CDLL(None)
    with open(libc.inotify_init1(os.O_CLOEXEC), "rb", buffering=0) as queue:
        assert libc.inotify_add_watch(queue.fileno(), os.fsencode(path), _IN_OPEN) > 0
        yield lambda: bool(select.select([queue], [], [], 0)[0])


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

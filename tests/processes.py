"""Looking for programs among all that run here, and waiting for what they do."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

__all__ = ["command_lines", "running", "until"]


def command_lines() -> Iterator[tuple[int, list[bytes]]]:
    """Each process but this one, by its number, with its words."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                words = (entry / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            yield int(entry.name), words


def running(marker: str) -> list[int]:
    """The processes that have `marker` in one of their words."""
    return [pid for pid, words in command_lines() if any(marker.encode() in w for w in words)]


def until(true: Callable[[], object], timeout: float) -> None:
    """Look again and again; an AssertionError if it is not `true` after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while not true():
        assert time.monotonic() < deadline, f"not within {timeout} s"
        time.sleep(0.01)

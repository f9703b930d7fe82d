"""What any kind of host does alike for a program that it runs and for a lock that it takes."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from threading import Event
from typing import TypeVar

from repoman_tasks.errors import Failed, Interrupted
from repoman_tasks.hosts.base import Locked, Stalled, TimedOut

__all__ = [
    "Watch",
    "bounded",
    "cut_lines",
    "holder",
    "not_installed",
    "taken",
    "until_free",
    "within",
]

T = TypeVar("T")


def not_installed(program: str) -> Failed:
    """What is said where a host does not have a program."""
    return Failed(f"{program} is not installed", f"install {program}")


def within(what: str, seconds: float) -> Callable[[], None]:
    """A check that raises `TimedOut` once `seconds` have passed."""
    deadline = time.monotonic() + seconds

    def check() -> None:
        if time.monotonic() > deadline:
            raise TimedOut(f"{what} did not answer within {seconds:g} s")

    return check


def bounded(program: str, seconds: float, most: int, size: Callable[[], int]) -> Callable[[], None]:
    """The same, which also raises `Failed` once `size` is more than `most` bytes."""
    in_time = within(program, seconds)

    def check() -> None:
        in_time()
        if size() > most:
            raise Failed(f"{program} said more than {most} bytes", "it was ended")

    return check


def cut_lines(data: bytearray) -> list[bytes]:
    """Take the whole lines out of `data`; \\r and \\n both end one, and an empty one is none."""
    *lines, rest = data.replace(b"\r", b"\n").split(b"\n")
    data[:] = rest
    return [bytes(line) for line in lines if line]


class Watch:
    """Knows whether a program still moves: by its output, else by its I/O counters."""

    def __init__(self, stall_seconds: float, count: Callable[[], int]) -> None:
        self._limit = stall_seconds
        self._count = count
        self._since = time.monotonic()
        self._counters = 0

    def _moved(self) -> None:
        self._since = time.monotonic()

    def watching(self, take: Callable[[bytes], object]) -> Callable[[bytes], None]:
        """`take`, of whose every call is known that there was output."""

        def watched(data: bytes) -> None:
            self._moved()
            take(data)

        return watched

    def check(self) -> None:
        """`Stalled` where nothing moved for too long; the counters are read only then."""
        if not self._limit or time.monotonic() - self._since < self._limit:
            return
        counters = self._count()
        if counters == self._counters:
            raise Stalled(f"no progress for {self._limit:g} s")
        self._counters = counters
        self._moved()


def holder(pid: int | str, **more: str) -> str:
    """What the file of a lock says of who holds it, as JSON in one line."""
    since = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    command = " ".join([os.path.basename(sys.argv[0]), *sys.argv[1:]])
    return json.dumps({"pid": pid, "since": since, "command": command, **more})


def taken(said: bytes) -> Locked:
    """What is said of a lock that somebody else has, by what its file says."""
    try:
        found = json.loads(said.partition(b"\n")[0])
        who = f"process {found['pid']} ({found['command']}) since {found['since']}"
    except (ValueError, KeyError, TypeError):
        who = "another process"
    return Locked(f"held by {who}")


def until_free(
    attempt: Callable[[], T], *, wait_seconds: float, pause: float, stopping: Event | None
) -> T:
    """What `attempt` to take a lock gives; it is made again every `pause` seconds.

    `Locked` by the last attempt after `wait_seconds`, `Interrupted` when `stopping` is set.
    """
    deadline = time.monotonic() + wait_seconds
    while True:
        try:
            return attempt()
        except Locked:
            if time.monotonic() >= deadline:
                raise
        if stopping is not None and stopping.is_set():
            raise Interrupted("interrupted")
        time.sleep(pause)

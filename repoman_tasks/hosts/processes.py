"""Limits of programs and the protocol of locks, which all kinds of host share."""

from __future__ import annotations

import contextlib
import json
import math
import os
import select
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from threading import Event, Lock, Thread
from typing import TypeVar

from repoman_tasks.errors import Failed, Interrupted
from repoman_tasks.hosts.base import Locked, OutOfTime, Stalled, TimedOut, Unread

__all__ = [
    "StallTimer",
    "Waits",
    "cut_lines",
    "deadline_check",
    "is_over",
    "limit_check",
    "lock_note",
    "locked_error",
    "not_installed",
    "reader_check",
    "this_process",
    "utc_text",
    "wait_for_lock",
    "waits",
]

_LONGEST_LINE = 1 << 20
"""A path has 4 KiB at most, and rsync writes a byte as five."""

T = TypeVar("T")

_TOLD_SECONDS = 1.5
"""Seconds of waiting after which the listener is told."""
_UNREAD_SECONDS = 2.0
"""Time for a program to end after nobody reads its output any more."""


class Waits:
    """Tells a listener what is being waited for, and "" when that is over."""

    def __init__(self) -> None:
        self.listener: Callable[[str], None] | None = None
        self._told = False
        self._quiet = Lock()

    def tell(self, text: str) -> None:
        """Tell the listener, if there is one."""
        if self.listener is not None:
            self._told = True
            self.listener(text)

    @contextlib.contextmanager
    def during(self, what: str) -> Iterator[None]:
        """Tell the listener of a call that takes long and reports nothing itself."""
        if self.listener is None:
            yield
            return
        ended, began = Event(), time.monotonic()

        def tell() -> None:
            pause = _TOLD_SECONDS
            while not ended.wait(pause):
                pause = 1.0
                with self._quiet:
                    if not ended.is_set():
                        self.tell(f"waiting for {what}, {time.monotonic() - began:.0f} s")

        teller = Thread(target=tell, daemon=True)
        teller.start()
        try:
            yield
        finally:
            ended.set()
            teller.join()
            self.end()

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Tell the listener nothing meanwhile, such as while a prompt is on the terminal."""
        with self._quiet:
            self.end()
            yield

    def end(self) -> None:
        """Tell the listener that nothing is waited for, if it knows otherwise."""
        if self._told and self.listener is not None:
            self._told = False
            self.listener("")


waits = Waits()
"""Those of this process, on all of its hosts."""


def not_installed(program: str) -> Failed:
    """Return the error for a program that is not installed."""
    return Failed(f"{program} is not installed", f"install {program}")


def reader_check() -> Callable[[], None]:
    """Return a check that raises Unread if nobody has read standard output for a while.

    It can be noticed if that is a pipe or socket. A program that has nothing more to say ends in
    this time.
    """
    poll = select.poll()
    poll.register(1, 0)  # POLLERR and POLLHUP are always reported
    since = math.inf

    def check() -> None:
        nonlocal since
        if poll.poll(0):
            since = min(since, time.monotonic())
            if time.monotonic() - since > _UNREAD_SECONDS:
                raise Unread("interrupted")

    return check


def deadline_check(what: str, seconds: float) -> Callable[[], None]:
    """Return a check that raises TimedOut after `seconds`.

    What takes long is told to the listener of `waits` meanwhile.
    """
    began = time.monotonic()

    def check() -> None:
        passed = time.monotonic() - began
        if passed > seconds:
            raise TimedOut(f"{what} did not answer within {seconds:g} s")
        if passed > _TOLD_SECONDS:
            waits.tell(f"waiting for {what}, {passed:.0f} s of at most {seconds:g} s")

    return check


def limit_check(
    program: str, seconds: float, max_bytes: int, size: Callable[[], int]
) -> Callable[[], None]:
    """Return a check that raises TimedOut after `seconds`, and Failed beyond `max_bytes` bytes."""
    in_time = deadline_check(program, seconds)

    def check() -> None:
        in_time()
        if size() > max_bytes:
            raise Failed(f"{program} printed more than {max_bytes} bytes", "it was killed")

    return check


def cut_lines(data: bytearray) -> list[bytes]:
    """Remove the complete lines from `data` and return those that are not empty.

    Both \\r and \\n end a line. Raise Failed if one has no end.
    """
    *lines, rest = data.replace(b"\r", b"\n").split(b"\n")
    if len(rest) > _LONGEST_LINE:
        raise Failed(f"it printed a line of more than {_LONGEST_LINE >> 20} MiB", "see its log")
    data[:] = rest
    return [bytes(line) for line in lines if line]


class StallTimer:
    """Detects a program that makes no progress, by its output and its I/O counters, or that takes
    too long. Tells the listener of `waits` of one that takes long."""

    def __init__(
        self,
        stall_seconds: float,
        count: Callable[[], int],
        limit_seconds: float = 0,
        program: str = "a program",
    ) -> None:
        self._program = program
        self._began = time.monotonic()
        self._limit = stall_seconds
        self._deadline = time.monotonic() + limit_seconds if limit_seconds else math.inf
        self._count = count
        self._since = time.monotonic()
        self._counters = 0

    def _moved(self) -> None:
        self._since = time.monotonic()

    def counting(self, take: Callable[[bytes], object]) -> Callable[[bytes], None]:
        """Return `take`, wrapped so that each call counts as progress.

        The time that `take` needs, as on a slow terminal, is not the program's.
        """

        def watched(data: bytes) -> None:
            take(data)
            self._moved()

        return watched

    def check(self) -> None:
        """Raise Stalled after too long without output, unless the I/O counters changed, and
        OutOfTime after the limit."""
        passed = time.monotonic() - self._began
        if passed > _TOLD_SECONDS:
            waits.tell(f"waiting for {self._program}, {passed:.0f} s")
        if time.monotonic() > self._deadline:
            raise OutOfTime("its time is used up")
        if not self._limit or time.monotonic() - self._since < self._limit:
            return
        counters = self._count()
        if counters == self._counters:
            raise Stalled(f"no progress for {self._limit:g} s")
        self._counters = counters
        self._moved()


def utc_text(when: datetime) -> str:
    """Return a time of any zone in UTC, in the registry's format."""
    return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def this_process() -> str:
    """Return what identifies this process: its pid, when it started, and its host."""
    return _process(str(os.getpid()), os.uname().nodename)


def is_over(process: str) -> bool:
    """Return True if `process`, from `this_process`, has ended; False if it is of another host."""
    pid, _, host = process.partition(" ")
    return host == os.uname().nodename and _process(pid.partition("@")[0], host) != process


def _process(pid: str, host: str) -> str:
    start = ""
    if pid.isdecimal():
        with contextlib.suppress(OSError), open(f"/proc/{pid}/stat", "rb") as file:
            start = file.read().rpartition(b")")[2].split()[19].decode()  # see proc_pid_stat(5)
    return f"{pid}@{start} {host}"


def lock_note(pid: int | str, **more: str) -> str:
    """Return the first line of a lock's file: its holder, as JSON."""
    since = utc_text(datetime.now(UTC))
    command = " ".join([os.path.basename(sys.argv[0]), *sys.argv[1:]])
    return json.dumps({"pid": pid, "since": since, "command": command, **more})


def locked_error(said: bytes) -> Locked:
    """Return the error for a lock that is held, from the content of its file."""
    try:
        found = json.loads(said.partition(b"\n")[0])
        who = f"process {found['pid']} ({found['command']}) since {found['since']}"
    except (ValueError, KeyError, TypeError, RecursionError):
        who = "another process"
    return Locked(f"held by {who}")


def wait_for_lock(
    attempt: Callable[[], T], *, wait_seconds: float, pause: float, stopping: Event | None
) -> T:
    """Call `attempt` every `pause` seconds until it takes the lock; return its result.

    Raise Locked after `wait_seconds`, Interrupted if `stopping` is set.
    """
    began = time.monotonic()
    while True:
        try:
            taken = attempt()
        except Locked:
            passed = time.monotonic() - began
            if passed >= wait_seconds:
                raise
            if passed > _TOLD_SECONDS:
                waits.tell(f"waiting for a lock, {passed:.0f} s of at most {wait_seconds:g} s")
        else:
            waits.end()
            return taken
        if stopping is not None and stopping.is_set():
            raise Interrupted("interrupted")
        time.sleep(pause)

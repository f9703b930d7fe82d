"""A clock that a test controls, used in place of the module `time`."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from tests.support.processes import wait_until

__all__ = ["Clock", "make_paced_program"]

_SCRIPT = 'until [ -e "$1/enough" ]; do echo >>"$1/written"; done'
_READS = 20


class Clock:
    """A clock that stands still until `now` is set, or adds `elapsed()` each time it is read."""

    def __init__(self, elapsed: Callable[[], float] = lambda: 0.0) -> None:
        """`elapsed` returns the seconds since the clock was last read."""
        self.now = 0.0
        self._elapsed = elapsed
        self._reading = threading.Lock()
        """The threads of a connection read it, too: at each read something was written before."""

    def monotonic(self) -> float:
        with self._reading:
            self.now += self._elapsed()
            return self.now

    def sleep(self, seconds: float) -> None:
        """Let so much time go by at once."""
        self.now += seconds


def make_paced_program(
    folder: Path, started: Callable[[], bool] = lambda: True
) -> tuple[Clock, list[str]]:
    """Return a clock and the argv of a program that only writes to a file in `folder`.

    Once the program has started and `started` returns True, the clock advances by a millisecond at
    each of twenty reads, and the program has written something before each. Then the program ends
    and the clock stands still.
    """
    written, enough = folder / "written", folder / "enough"
    sizes: list[int] = [0]

    def elapsed() -> float:
        if len(sizes) > _READS:
            enough.touch()
        if enough.exists() or not written.exists() or not started():
            return 0.0
        # The kernel updates st_size after it has written a byte: of two, the first is counted.
        wait_until(lambda: written.stat().st_size >= sizes[-1] + 2)
        sizes.append(written.stat().st_size)
        return 0.001

    return Clock(elapsed), ["sh", "-c", _SCRIPT, "sh", str(folder)]

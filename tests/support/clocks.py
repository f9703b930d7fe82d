"""A clock that goes as a test says, in place of the module `time`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.support.processes import until

__all__ = ["Clock", "paced"]

_MOVES = 'until [ -e "$1/enough" ]; do echo >>"$1/moved"; done'
_LOOKS = 20


class Clock:
    """It stands still until `now` is set; with `passing` it goes on with each look at it."""

    def __init__(self, passing: Callable[[], float] = lambda: 0.0) -> None:
        """`passing` returns the seconds that have gone by since the look before."""
        self.now = 0.0
        self._passing = passing

    def monotonic(self) -> float:
        self.now += self._passing()
        return self.now


def paced(folder: Path) -> tuple[Clock, list[str]]:
    """Return a program that only writes to a file in `folder`, and the clock that it moves.

    Once the program has begun, with each of twenty looks a millisecond has gone by, and it has
    written something. Then it ends, and the clock stands still.
    """
    moved, enough = folder / "moved", folder / "enough"
    seen: list[int] = [0]

    def passing() -> float:
        if len(seen) > _LOOKS:
            enough.touch()
        if enough.exists() or not moved.exists():
            return 0.0
        # The kernel counts a byte after it has written it: of two, the first is counted.
        until(lambda: moved.stat().st_size >= seen[-1] + 2)
        seen.append(moved.stat().st_size)
        return 0.001

    return Clock(passing), ["sh", "-c", _MOVES, "sh", str(folder)]

"""Rate limit for progress reports."""

from __future__ import annotations

__all__ = ["RateLimit"]

_SECONDS_PER_NAME = 1.0
_SECONDS_OVERALL = 0.1


class RateLimit:
    """Limit of one report a second for each name, and of ten a second overall."""

    def __init__(self) -> None:
        self._last: dict[str, float] = {}
        self._last_overall = float("-inf")

    def due(self, name: str, now: float) -> bool:
        """Return True if `name` may be reported at the time `now`, and count that report.

        `now` is in seconds on any monotonic clock.
        """
        last = self._last.get(name, float("-inf"))
        if now - last < _SECONDS_PER_NAME or now - self._last_overall < _SECONDS_OVERALL:
            return False
        self._last[name] = self._last_overall = now
        return True

"""How often something is told that happens all the time."""

from __future__ import annotations

__all__ = ["Pace"]

_SECONDS_FOR_ONE = 1.0
_SECONDS_FOR_ALL = 0.1


class Pace:
    """Lets through at most one in a second for a name, and ten in a second for all together."""

    def __init__(self) -> None:
        self._last: dict[str, float] = {}
        self._last_of_all = float("-inf")

    def due(self, name: str, now: float) -> bool:
        """Whether it is to be told of `name` again; `now` is in seconds, from any begin."""
        last = self._last.get(name, float("-inf"))
        if now - last < _SECONDS_FOR_ONE or now - self._last_of_all < _SECONDS_FOR_ALL:
            return False
        self._last[name] = self._last_of_all = now
        return True

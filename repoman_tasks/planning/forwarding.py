"""Ports of a container that are forwarded to this machine. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

from repoman_tasks.errors import Failed, UsageError, quoted
from repoman_tasks.late_dataclass import dataclass

__all__ = ["Forward", "in_use", "needs_root", "parse_forwards", "split_name", "url"]

_WORD = re.compile(r"([0-9]{1,5})(?::([0-9]{1,5}))?")
_LAST = 65535
_PRIVILEGED = 1024
_OFFSET = 8000
"""Added to a privileged port for a suggestion: 80 becomes 8080, as people are used to."""


@dataclass(frozen=True)
class Forward:
    """A port of a container, and the port of this machine that leads to it."""

    port: int
    local: int
    """0 for any that is free."""

    def __str__(self) -> str:
        return str(self.port) if self.port == self.local else f"{self.port}:{self.local}"


def split_name(name: str | None, words: Sequence[str]) -> tuple[str | None, list[str]]:
    """Return the name of the project and the ports; a first word that is a port is no name."""
    if name is not None and name[:1].isdigit():
        return None, [name, *words]
    return name, list(words)


def parse_forwards(words: Sequence[str]) -> list[Forward]:
    """Return the ports that `words` name, each as PORT or PORT:LOCAL; raise UsageError."""
    if not words:
        raise UsageError("forward needs a port", "`repoman forward NAME PORT`")
    found = [_parse(word) for word in words]
    taken = [one.local for one in found if one.local]
    twice = next((one for one in found if taken.count(one.local) > 1), None)
    if twice is not None:
        raise UsageError(f"port {twice.local} was given twice", "give each another one, PORT:LOCAL")
    return found


def _parse(word: str) -> Forward:
    match = _WORD.fullmatch(word)
    port = int(match[1]) if match else 0
    local = int(match[2]) if match and match[2] else port
    if not 0 < port <= _LAST or local > _LAST:
        cure = "use PORT or PORT:LOCAL, each of 1 to 65535; a LOCAL of 0 is any that is free"
        raise UsageError(f"{word!r} is not a port", cure)
    return Forward(port, local)


def in_use(name: str, wanted: Sequence[Forward], taken: Forward, free: int) -> Failed:
    """Return the error for a port of this machine that another program listens on."""
    what = f"port {taken.local} of this machine is in use"
    return _cannot_listen(what, name, wanted, taken, free)


def needs_root(name: str, wanted: Sequence[Forward], low: Forward) -> Failed:
    """Return the error for a port of this machine that only root may listen on."""
    free = low.local + _OFFSET if low.local < _PRIVILEGED else 0
    return _cannot_listen(f"only root may listen on port {low.local}", name, wanted, low, free)


def _cannot_listen(
    what: str, name: str, wanted: Sequence[Forward], bad: Forward, free: int
) -> Failed:
    words = [str(Forward(bad.port, free) if one == bad else one) for one in wanted]
    return Failed(what, f"use another one, as in `repoman forward {quoted(name, *words)}`")


def url(name: str, port: int, *, resolves: bool) -> str:
    """Return the address for a browser; `resolves` if NAME.localhost is this machine."""
    host = f"{name}.localhost" if resolves else "localhost"
    return f"http://{host}:{port}"

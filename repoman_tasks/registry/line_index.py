"""Which line of a TOML text a key stands in. TOML's own parser does not tell."""

from __future__ import annotations

import re
from collections.abc import Iterator

__all__ = ["header", "line_of"]

_HEADER = re.compile(r"\s*\[\[?([^\[\]=]+)\]\]?\s*(?:#.*)?$")


def line_of(text: str, table: str = "", index: int = 0, key: str = "") -> int:
    """The number of the line that names `key` of the `index`th `table`, or comes nearest to it.

    Without `table`, `key` is one of the names at the top. Comes nearest: the table's own
    line, or the first one.
    """
    names = [key] if not table else [table, key]
    nearest = 1
    for number, found, position in _names(text):
        if found[0] == names[0] and position in (index, None):
            if found[: len(names)] == names:
                return number
            if nearest == 1 and len(found) == 1:
                nearest = number
    return nearest


def header(line: str) -> list[str] | None:
    """The parts of the name in a table's header line; None where it is no such line."""
    match = _HEADER.match(line)
    return _parts(match[1]) if match else None


def _names(text: str) -> Iterator[tuple[int, list[str], int | None]]:
    """Each name in `text`: its line, its parts, and how many tables of its name came before.

    That is None where tables of one name are not told apart, in an inline table.
    """
    current: list[str] = []
    seen: dict[str, int] = {}
    for number, line in enumerate(text.split("\n"), 1):
        parts = header(line)
        if parts:
            current = parts
            if len(current) == 1:
                seen[current[0]] = seen.get(current[0], -1) + 1
            yield number, current, seen.get(current[0], 0)
        elif current:
            for name in _keys(line):
                yield number, [*current, *name], seen.get(current[0], 0)
        else:
            outer: list[str] = []
            for name in _keys(line):
                yield number, [*outer, *name], None
                outer = outer or name[:1]


def _keys(line: str) -> Iterator[list[str]]:
    """The keys, dotted ones in their parts, that a line gives a value to."""
    bare = r"""[A-Za-z0-9_-]+|"[^"]*"|'[^']*'"""
    pattern = rf"(?:^\s*|[{{,]\s*)((?:{bare})(?:\s*\.\s*(?:{bare}))*)\s*="
    for match in re.finditer(pattern, line):
        yield _parts(match[1])


def _parts(name: str) -> list[str]:
    return [part.strip().strip("\"'") for part in name.split(".")]

"""Find the line of a key in TOML text, for error messages: tomllib does not report it."""

from __future__ import annotations

import re
from collections.abc import Iterator

__all__ = ["header", "line_of"]

_HEADER = re.compile(r"\s*\[\[?([^\[\]=]+)\]\]?\s*(?:#.*)?$")


def line_of(text: str, table: str = "", index: int = 0, key: str = "") -> int:
    """Return the line number, from 1, of `key` in `table` number `index`, counted from 0.

    Without `table`, `key` is a top-level name; a `table` may be "a.b". If the key is not found,
    return the line of the table's header, else 1.
    """
    names = [key] if not table else [*table.split("."), key]
    nearest = 1
    for number, found, position in _names(text):
        if found[0] == names[0] and position in (index, None):
            if found[: len(names)] == names:
                return number
            if nearest == 1 and found == (names[:-1] or found[:1]):
                nearest = number
    return nearest


def header(line: str) -> list[str] | None:
    """Return the parts of the name in a table header, None if `line` is not one."""
    match = _HEADER.match(line)
    return _parts(match[1]) if match else None


def _names(text: str) -> Iterator[tuple[int, list[str], int | None]]:
    """Yield each name in `text`: line number, parts, and index among tables of its name.

    The index is None inside inline tables, which have no header to count.
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
    """Yield the keys, split at their dots, that `line` assigns a value to."""
    bare = r"""[A-Za-z0-9_-]+|"[^"]*"|'[^']*'"""
    pattern = rf"(?:^\s*|[{{,]\s*)((?:{bare})(?:\s*\.\s*(?:{bare}))*)\s*="
    for match in re.finditer(pattern, line):
        yield _parts(match[1])


def _parts(name: str) -> list[str]:
    return [part.strip().strip("\"'") for part in name.split(".")]

"""How a table and a long line fit a terminal of some width. Widths are those of its cells."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

__all__ = ["BAD", "FAINT", "GAP", "GOOD", "STRONG", "Cell", "Column"]
__all__ += ["breaks", "cells", "fitted", "layout", "shorten"]

GAP = 2
"""Cells between two columns."""

_SUMMING_UP = 3
"""Lines at the end that are worth more than what is above them."""

GOOD, BAD, FAINT, STRONG = "good", "bad", "faint", "strong"
"""How a text may look, beside plain."""


class Cell(NamedTuple):
    """A text, and how it looks."""

    text: str
    look: str = ""


@dataclass(frozen=True)
class Column:
    """One column of a table."""

    head: str
    least: int = 0
    """To so many cells it may be narrowed, its longer values shortened; 0 for never."""
    gives_way: int = 0
    """Where that is not enough, columns are left out, the lowest number first; 0 for never."""


def cells(text: str) -> int:
    """How many cells a terminal needs for `text`, which holds no control characters."""
    return len(text) if text.isascii() else sum(map(_cells, text))


def _cells(letter: str) -> int:
    if unicodedata.category(letter) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(letter) in "WF" else 1


def shorten(text: str, width: int) -> str:
    """`text` in at most `width` cells: what is left out of its middle becomes an ellipsis."""
    if cells(text) <= width:
        return text
    tail_room = (width - 1) // 2
    head = _begin(text, width - 1 - tail_room)
    tail = _begin(text[::-1], tail_room)[::-1]
    while tail and not _cells(tail[0]):  # a mark whose letter is left out
        tail = tail[1:]
    return f"{head}…{tail}"


def _begin(text: str, room: int) -> str:
    for number, letter in enumerate(text):
        room -= _cells(letter)
        if room < 0:
            return text[:number]
    return text


def layout(columns: Sequence[Column], needed: Sequence[int], width: int) -> dict[int, int]:
    """Which of `columns` are shown, by number, and how wide, so that a line fits into `width`.

    `needed` is what the longest value of each takes. The room that there is goes to the
    narrowest first. Where not even the least of what has to stay fits, all is narrowed.
    """
    floors = {
        number: min(need, max(column.least, cells(column.head))) if column.least else need
        for number, (column, need) in enumerate(zip(columns, needed, strict=True))
    }
    yielding = sorted(
        (number for number in floors if columns[number].gives_way),
        key=lambda number: columns[number].gives_way,
    )
    while _room(floors, width) < 0 and yielding:
        del floors[yielding.pop(0)]
    if _room(floors, width) < 0:
        floors = dict.fromkeys(floors, 1)
    return _grown(floors, needed, _room(floors, width))


def _room(widths: dict[int, int], width: int) -> int:
    return width - sum(widths.values()) - GAP * (len(widths) - 1)


def _grown(widths: dict[int, int], needed: Sequence[int], room: int) -> dict[int, int]:
    while room > 0 and (narrow := [n for n in widths if widths[n] < needed[n]]):
        widths[min(narrow, key=widths.__getitem__)] += 1
        room -= 1
    return widths


_WORD = re.compile(r"(?:`[^`]*`|\S)+")
"""What is not parted: a word, and a command between backticks, which one may want to copy."""


def breaks(text: str, width: int, hang: int) -> list[tuple[int, int]]:
    """Where in `text` a new line is to begin, so that each fits into `width`.

    Each is a span of blanks. All lines but the first begin with `hang` blanks.
    """
    found = []
    column = end = 0
    for word in _WORD.finditer(text):
        blanks, size = word.start() - end, cells(word[0])
        if end and column + blanks + size > width:
            found.append((end, word.start()))
            column = hang + size
        else:
            column += blanks + size
        end = word.end()
    return found


def fitted(lines: Sequence[str], height: int) -> list[str]:
    """As many of `lines` as a terminal of that height has room for.

    What is left out is told; the last lines, which sum it up, stay.
    """
    if len(lines) <= height:
        return list(lines)
    last = min(_SUMMING_UP, height // 3)
    first = height - last - 1
    told = f"… {len(lines) - first - last} more lines"
    return [*lines[:first], told, *lines[len(lines) - last :]]

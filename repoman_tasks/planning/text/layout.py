"""Layout of tables and long lines on a terminal. Widths are in terminal cells."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import NamedTuple

from repoman_tasks.late_dataclass import dataclass

__all__ = ["BAD", "FAINT", "GAP", "GOOD", "STRONG", "Cell", "Column"]
__all__ += ["cell_width", "fit_columns", "fit_lines", "line_breaks", "shorten"]

GAP = 2
"""Width between two columns."""

_SUMMARY_LINES = 3
"""Number of lines at the end that summarise those above."""

GOOD, BAD, FAINT, STRONG = "good", "bad", "faint", "strong"
"""Styles of a text other than plain."""


class Cell(NamedTuple):
    """Text with a style."""

    text: str
    style: str = ""


@dataclass(frozen=True)
class Column:
    """Column of a table."""

    head: str
    min_width: int = 0
    """Width to which it may shrink, with its values shortened; 0 if it may not shrink."""
    drop_order: int = 0
    """Position in which columns are dropped if shrinking is not enough; 0 for never."""


def cell_width(text: str) -> int:
    """Return the width of `text`, which must not contain control characters."""
    return len(text) if text.isascii() else sum(map(_char_width, text))


def _char_width(char: str) -> int:
    if unicodedata.category(char) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def shorten(text: str, width: int) -> str:
    """Return `text` in at most `width` cells, with an ellipsis in its middle if it is longer."""
    if cell_width(text) <= width:
        return text
    tail_width = (width - 1) // 2
    head = _prefix(text, width - 1 - tail_width)
    tail = _prefix(text[::-1], tail_width)[::-1]
    while tail and not _char_width(tail[0]):  # a combining mark without its character
        tail = tail[1:]
    return f"{head}…{tail}"


def _prefix(text: str, width: int) -> str:
    for number, char in enumerate(text):
        width -= _char_width(char)
        if width < 0:
            return text[:number]
    return text


def fit_columns(columns: Sequence[Column], needed: Sequence[int], width: int) -> dict[int, int]:
    """Return the widths of those columns, by index, that fit into a line of `width`.

    `needed` are the widths of the columns' longest values. Spare width goes to the narrowest
    column first. If the columns that must not be dropped do not fit, all of them shrink.
    """
    widths = {
        number: min(need, max(column.min_width, cell_width(column.head)))
        if column.min_width
        else need
        for number, (column, need) in enumerate(zip(columns, needed, strict=True))
    }
    droppable = sorted(
        (number for number in widths if columns[number].drop_order),
        key=lambda number: columns[number].drop_order,
    )
    while _spare(widths, width) < 0 and droppable:
        del widths[droppable.pop(0)]
    if _spare(widths, width) < 0:
        widths = dict.fromkeys(widths, 1)
    return _widen(widths, needed, _spare(widths, width))


def _spare(widths: dict[int, int], width: int) -> int:
    return width - sum(widths.values()) - GAP * (len(widths) - 1)


def _widen(widths: dict[int, int], needed: Sequence[int], spare: int) -> dict[int, int]:
    while spare > 0 and (narrow := [n for n in widths if widths[n] < needed[n]]):
        widths[min(narrow, key=widths.__getitem__)] += 1
        spare -= 1
    return widths


_WORD = re.compile(r"(?:`[^`]*`|\S)+")
"""Text that is not broken: a word, or a command in backticks, which must be easy to copy."""


def line_breaks(text: str, width: int, hang: int) -> list[tuple[int, int]]:
    """Return the spans of blanks in `text` to replace with a line break.

    Each line then fits into `width`; all but the first are indented by `hang` blanks.
    """
    spans = []
    column = end = 0
    for word in _WORD.finditer(text):
        blanks, size = word.start() - end, cell_width(word[0])
        if end and column + blanks + size > width:
            spans.append((end, word.start()))
            column = hang + size
        else:
            column += blanks + size
        end = word.end()
    return spans


def fit_lines(lines: Sequence[str], height: int) -> list[str]:
    """Return at most `height` lines, one of which counts those that are left out.

    The last lines are kept, because they summarise the others.
    """
    if len(lines) <= height:
        return list(lines)
    tail = min(_SUMMARY_LINES, height // 3)
    head = height - tail - 1
    note = f"… {len(lines) - head - tail} more lines"
    return [*lines[:head], note, *lines[len(lines) - tail :]]

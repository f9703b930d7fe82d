"""What a person sees: results on standard output, everything else on standard error."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from repoman_tasks.errors import one_line, with_host_option
from repoman_tasks.planning.text.layout import (
    BAD,
    FAINT,
    GAP,
    GOOD,
    STRONG,
    Cell,
    Column,
    breaks,
    cells,
    layout,
    shorten,
)

__all__ = ["Canvas", "Recorder", "Screen"]

Value = str | Cell
_PAINT = {GOOD: "32", BAD: "31", FAINT: "2", STRONG: "1"}
"""Colours of the sixteen that every theme, light or dark, has readable."""


class Table(NamedTuple):
    """A table as it was told, before anything is shortened."""

    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]


class Line(NamedTuple):
    """A line in pieces, and the blanks that its further lines begin with, -1 for none of these."""

    pieces: Sequence[Cell]
    hang: int


class Screen:
    """Standard output and error. What is told to be typed is meant for `host`, if not empty."""

    def __init__(self, host: str = "") -> None:
        self._host = host

    @property
    def live(self) -> bool:
        """Whether both outputs are a terminal, where things may be redrawn."""
        return sys.stdout.isatty() and sys.stderr.isatty()

    @property
    def columns(self) -> int:
        """How wide the terminal is; 0 where there is none, and all is shown whole."""
        return shutil.get_terminal_size().columns if sys.stdout.isatty() else 0

    def line(self, *pieces: Value, hang: int = -1) -> None:
        """One line of the result. Control characters in it are made visible.

        With `hang`, one that is too long for the terminal goes on between two words, below,
        behind so many blanks.
        """
        told = [_cell(piece) for piece in pieces]
        shown = [Cell(one_line(with_host_option(self._host, text)), look) for text, look in told]
        self.write(_broken(shown, hang, self.columns) + "\n")

    def note(self, text: str, hang: int = -1) -> None:
        """One line beside the result, below what was said so far; `hang` is that of `line`."""
        sys.stdout.flush()
        told = Cell(one_line(with_host_option(self._host, text)))
        width = shutil.get_terminal_size().columns if sys.stderr.isatty() else 0
        print(_broken([told], hang, width), file=sys.stderr)

    @contextlib.contextmanager
    def progress(self, text: str) -> Iterator[None]:
        """While this holds, a terminal's last line says what is being done; nobody else sees it."""
        self.show_status(text)
        try:
            yield
        finally:
            self.show_status("")

    def show_status(self, text: str) -> None:
        """Put `text` in the place of what was told so."""
        if self.live:
            sys.stdout.flush()
            columns = shutil.get_terminal_size().columns - 1
            print(f"\r\x1b[K{one_line(text)[:columns]}", end="", file=sys.stderr, flush=True)

    def json(self, value: Any) -> None:
        """The result for a program."""
        self.write(json.dumps(value, indent=2) + "\n")

    def json_line(self, value: Any, *, last: bool = False) -> None:
        """One line for a program, which has it at once; the last one when the command ends."""
        self.write(json.dumps(value) + "\n")
        if not last:
            sys.stdout.flush()

    def table(self, columns: Sequence[str | Column], rows: Sequence[Sequence[Value]]) -> None:
        """The result as a table.

        On a terminal each row is one line, for which long values are shortened; elsewhere each
        value stands there whole. A column that is a mere text is never narrowed.
        """
        self.write(_drawn(_table(columns, rows), self.columns))

    def write(self, text: str) -> None:
        """Put `text` on standard output as it is."""
        sys.stdout.write(text)


class Recorder(Screen):
    """Keeps what it is told instead of showing it."""

    live = False

    def __init__(self, host: str = "") -> None:
        super().__init__(host)
        self.lines: list[Line] = []
        self.notes: list[str] = []
        self.tables: list[Table] = []
        self.value: Any = None

    def line(self, *pieces: Value, hang: int = -1) -> None:
        told = [_cell(piece) for piece in pieces]
        if any(text for text, _ in told):
            typed = [Cell(with_host_option(self._host, text), look) for text, look in told]
            self.lines.append(Line(typed, hang))

    def note(self, text: str, hang: int = -1) -> None:  # noqa: ARG002
        self.notes.append(with_host_option(self._host, text))

    def json(self, value: Any) -> None:
        self.value = value

    def table(self, columns: Sequence[str | Column], rows: Sequence[Sequence[Value]]) -> None:
        self.tables.append(_table(columns, rows))


class Canvas(Screen):
    """The lines of a picture that is to be put on a terminal of that width."""

    live = False
    columns = 0

    def __init__(self, columns: int) -> None:
        super().__init__()
        self.columns = columns
        self._text = ""

    @property
    def lines(self) -> list[str]:
        """What was shown so far."""
        return self._text.splitlines()

    def line(self, *pieces: Value, hang: int = -1) -> None:
        super().line(*pieces, hang=max(hang, 2))

    def note(self, text: str, hang: int = -1) -> None:
        self.line(text, hang=hang)

    def write(self, text: str) -> None:
        self._text += text


def _painted(text: str, look: str) -> str:
    """`text` as it looks where it is shown; as it is where that has no colours."""
    return f"\x1b[{_PAINT[look]}m{text}\x1b[0m" if look and text and _has_colours() else text


def _has_colours() -> bool:
    """https://no-color.org has what NO_COLOR means."""
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM", "dumb") == "dumb"
    return sys.stdout.isatty() and not plain


def _cell(value: Value) -> Cell:
    return Cell(value) if isinstance(value, str) else value


def _table(columns: Sequence[str | Column], rows: Sequence[Sequence[Value]]) -> Table:
    heads = [Column(column) if isinstance(column, str) else column for column in columns]
    return Table(heads, [[_cell(value) for value in row] for row in rows])


def _drawn(table: Table, width: int) -> str:
    """The lines of a table; `width` is 0 where it has all the room that it needs."""
    heads = [Cell(column.head, STRONG) for column in table.columns]
    lines = [heads, *([Cell(one_line(text), look) for text, look in row] for row in table.rows)]
    needed = [max(cells(text) for text, _ in column) for column in zip(*lines, strict=True)]
    narrowed = width and any(column.least for column in table.columns)
    widths = layout(table.columns, needed, width) if narrowed else dict(enumerate(needed))
    return "".join(_row(line, widths) for line in lines)


def _row(line: Sequence[Cell], widths: dict[int, int]) -> str:
    shown, blanks = "", 0
    for number, width in widths.items():
        text, look = line[number]
        short = shorten(text, width)
        shown += (" " * blanks + _painted(short, look)) if short else ""
        blanks = (0 if short else blanks) + width - cells(short) + GAP
    return f"{shown}\n"


def _broken(pieces: Sequence[Cell], hang: int, width: int) -> str:
    """The pieces one after the other, with line breaks where they are wider than `width`."""
    whole = "".join(text for text, _ in pieces)
    spans = breaks(whole, width, hang) if width and hang >= 0 else []
    shown, at = "", 0
    for text, look in pieces:
        for begin, end in reversed(spans):
            if at <= begin < at + len(text):
                text = f"{text[: begin - at]}\n{' ' * hang}{text[end - at :]}"
        shown += _painted(text, look)
        at += len(text)
    return shown

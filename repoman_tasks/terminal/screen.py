"""Print results on standard output, everything else on standard error."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from repoman_tasks.errors import one_line, with_host_option
from repoman_tasks.hosts.processes import waits
from repoman_tasks.planning.text.layout import (
    BAD,
    FAINT,
    GAP,
    GOOD,
    STRONG,
    Cell,
    Column,
    cell_width,
    fit_columns,
    line_breaks,
    shorten,
)

__all__ = ["Canvas", "Recorder", "Screen"]

Value = str | Cell
_PAINT = {GOOD: "32", BAD: "31", FAINT: "2", STRONG: "1"}
"""Of the 16 colours, those that are readable in dark and light themes."""


_RESET = "\x1b[?1049l\x1b[?25h\x1b[?1000l\x1b[?1002l\x1b[?1006l\x1b[?2004l\x1b[0m\r\n"
"""Puts a terminal back: its first screen, the cursor, no mouse, no bracketed paste, no colours."""


class Table(NamedTuple):
    """A table before its values are shortened."""

    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]


class TextLine(NamedTuple):
    """A line in pieces; `hang` is the indent of its continuation lines, -1 to not break it."""

    pieces: Sequence[Cell]
    hang: int


class Screen:
    """Standard output and error. Commands in messages get `--host HOST` if `host` is not empty."""

    waiting = False
    """True if the last line on the terminal says what is waited for. There is one terminal."""
    in_progress = False
    """True if a line of progress is shown."""

    prints = True
    """True if all that is shown is printed at once, and nothing is cut to the terminal's size."""

    def __init__(self, host: str = "") -> None:
        self._host = host

    @property
    def live(self) -> bool:
        """Return True if both outputs are a terminal, so that lines can be redrawn."""
        return sys.stdout.isatty() and sys.stderr.isatty()

    @property
    def columns(self) -> int:
        """Return the width of the terminal, 0 if there is none and nothing is shortened."""
        return shutil.get_terminal_size().columns if sys.stdout.isatty() else 0

    def line(self, *pieces: Value, hang: int = -1) -> None:
        """Print one line of the result, with control characters escaped.

        With `hang`, a line too long for the terminal is broken between words, and its
        continuation lines are indented by so many blanks.
        """
        given = [_cell(piece) for piece in pieces]
        shown = [Cell(one_line(with_host_option(self._host, text)), look) for text, look in given]
        self.write(_broken(shown, hang, self.columns) + "\n")

    def note(self, text: str, hang: int = -1) -> None:
        """Print one line on standard error, after the output so far; `hang` as in `line`."""
        self._end_wait()
        sys.stdout.flush()
        line = Cell(one_line(with_host_option(self._host, text)))
        width = shutil.get_terminal_size().columns if sys.stderr.isatty() else 0
        print(_broken([line], hang, width), file=sys.stderr)

    @contextlib.contextmanager
    def progress(self, text: str) -> Iterator[None]:
        """On a terminal, show `text` as the last line for as long as the context lasts."""
        self._end_wait()
        self.show_status(text)
        Screen.in_progress = bool(text)
        try:
            yield
        finally:
            Screen.in_progress = False
            self.show_status("")

    def show_status(self, text: str) -> None:
        """On a terminal, replace the status line by `text`."""
        if self.live:
            sys.stdout.flush()
            columns = shutil.get_terminal_size().columns - 1
            print(f"\r\x1b[K{one_line(text)[:columns]}", end="", file=sys.stderr, flush=True)

    @contextlib.contextmanager
    def telling_waits(self) -> Iterator[None]:
        """On a terminal, say what is waited for if that takes seconds, while the context lasts."""
        self.listen(self.show_wait if self.live else None)
        try:
            yield
        finally:
            waits.end()
            self.listen(None)

    def listen(self, listener: Callable[[str], None] | None) -> None:
        """Have `listener`, and no other, be told what is waited for."""
        waits.end()
        waits.listener = listener

    def show_wait(self, text: str) -> None:
        """Do as `show_status`, but remove the line before anything else is printed.

        A line of progress that is shown already stays.
        """
        if not Screen.in_progress:
            Screen.waiting = bool(text)
            self.show_status(text)

    def _end_wait(self) -> None:
        if Screen.waiting:
            self.show_wait("")

    def json(self, value: Any) -> None:
        """Print the result as JSON."""
        self.write(json.dumps(value, indent=2) + "\n")

    def json_line(self, value: Any, *, last: bool = False) -> None:
        """Print one line of JSON and flush it; the last one is flushed when the command ends."""
        self.write(json.dumps(value) + "\n")
        if not last:
            sys.stdout.flush()

    def table(self, columns: Sequence[str | Column], rows: Sequence[Sequence[Value]]) -> None:
        """Print the result as a table.

        On a terminal, values are shortened so that a row is one line; elsewhere they are printed
        whole. A column given as a string is never narrowed.
        """
        self.write(_drawn(_table(columns, rows), self.columns))

    def reset(self) -> None:
        """Put the terminal back after a full-screen program that could not do so itself."""
        if self.live:
            self.write(_RESET)
            sys.stdout.flush()

    def write(self, text: str) -> None:
        """Write `text` to standard output unchanged."""
        self._end_wait()
        sys.stdout.write(text)


class Recorder(Screen):
    """Records the output instead of printing it."""

    live = False
    prints = False

    def __init__(self, host: str = "") -> None:
        super().__init__(host)
        self.lines: list[TextLine] = []
        self.notes: list[str] = []
        self.tables: list[Table] = []
        self.value: Any = None

    def line(self, *pieces: Value, hang: int = -1) -> None:
        cells_ = [_cell(piece) for piece in pieces]
        if any(text for text, _ in cells_):
            typed = [Cell(with_host_option(self._host, text), look) for text, look in cells_]
            self.lines.append(TextLine(typed, hang))

    def note(self, text: str, hang: int = -1) -> None:  # noqa: ARG002
        self.notes.append(with_host_option(self._host, text))

    def json(self, value: Any) -> None:
        self.value = value

    def table(self, columns: Sequence[str | Column], rows: Sequence[Sequence[Value]]) -> None:
        self.tables.append(_table(columns, rows))


class Canvas(Screen):
    """Collects the lines of a screen of a given width, for redrawing."""

    live = False
    columns = 0

    def __init__(self, columns: int) -> None:
        super().__init__()
        self.columns = columns
        self._text = ""

    @property
    def lines(self) -> list[str]:
        """Return the lines so far."""
        return self._text.splitlines()

    def line(self, *pieces: Value, hang: int = -1) -> None:
        super().line(*pieces, hang=max(hang, 2))

    def note(self, text: str, hang: int = -1) -> None:
        self.line(text, hang=hang)

    def write(self, text: str) -> None:
        self._text += text


def _painted(text: str, look: str) -> str:
    """Return `text` with the escape codes of `look`, unchanged if there are no colours."""
    return f"\x1b[{_PAINT[look]}m{text}\x1b[0m" if look and text and _has_colours() else text


def _has_colours() -> bool:
    """Return True if standard output shows colours; NO_COLOR as in https://no-color.org."""
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM", "dumb") == "dumb"
    return sys.stdout.isatty() and not plain


def _cell(value: Value) -> Cell:
    return Cell(value) if isinstance(value, str) else value


def _table(columns: Sequence[str | Column], rows: Sequence[Sequence[Value]]) -> Table:
    heads = [Column(column) if isinstance(column, str) else column for column in columns]
    return Table(heads, [[_cell(value) for value in row] for row in rows])


def _drawn(table: Table, width: int) -> str:
    """Return the lines of a table; with a `width` of 0 nothing is narrowed."""
    heads = [Cell(column.head, STRONG) for column in table.columns]
    lines = [heads, *([Cell(one_line(text), look) for text, look in row] for row in table.rows)]
    needed = [max(cell_width(text) for text, _ in column) for column in zip(*lines, strict=True)]
    narrowed = width and any(column.min_width for column in table.columns)
    widths = fit_columns(table.columns, needed, width) if narrowed else dict(enumerate(needed))
    return "".join(_row(line, widths) for line in lines)


def _row(line: Sequence[Cell], widths: dict[int, int]) -> str:
    shown, blanks = "", 0
    for number, width in widths.items():
        text, look = line[number]
        short = shorten(text, width)
        shown += (" " * blanks + _painted(short, look)) if short else ""
        blanks = (0 if short else blanks) + width - cell_width(short) + GAP
    return f"{shown}\n"


def _broken(pieces: Sequence[Cell], hang: int, width: int) -> str:
    """Return the pieces as one text, broken into lines of at most `width`."""
    whole = "".join(text for text, _ in pieces)
    spans = line_breaks(whole, width, hang) if width and hang >= 0 else []
    shown, at = "", 0
    for text, look in pieces:
        for begin, end in reversed(spans):
            if at <= begin < at + len(text):
                text = f"{text[: begin - at]}\n{' ' * hang}{text[end - at :]}"
        shown += _painted(text, look)
        at += len(text)
    return shown

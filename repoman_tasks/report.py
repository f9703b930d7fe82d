"""What a person sees: results on standard output, everything else on standard error."""

from __future__ import annotations

import contextlib
import json
import shutil
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from repoman_tasks.errors import one_line, typed_for

if TYPE_CHECKING:
    from rich.progress import TaskID

__all__ = ["Bars", "Recorder", "Screen"]


class Screen:
    """Standard output and error. What is told to be typed is meant for `host`, if not empty."""

    def __init__(self, host: str = "") -> None:
        self._host = host

    @property
    def live(self) -> bool:
        """Whether both outputs are a terminal, where things may be redrawn."""
        return sys.stdout.isatty() and sys.stderr.isatty()

    def line(self, text: str = "") -> None:
        """One line of the result. Control characters in it are made visible."""
        self.write(one_line(typed_for(self._host, text)) + "\n")

    def note(self, text: str) -> None:
        """One line beside the result, below what was said so far."""
        sys.stdout.flush()
        print(one_line(typed_for(self._host, text)), file=sys.stderr)

    @contextlib.contextmanager
    def progress(self, text: str) -> Iterator[None]:
        """While this holds, a terminal's last line says what is being done; nobody else sees it."""
        self.tell(text)
        try:
            yield
        finally:
            self.tell("")

    def tell(self, text: str) -> None:
        """Put `text` in the place of what was told so."""
        if self.live:
            sys.stdout.flush()
            columns = shutil.get_terminal_size().columns - 1
            print(f"\r\x1b[K{one_line(text)[:columns]}", end="", file=sys.stderr, flush=True)

    def json(self, value: Any) -> None:
        """The result for a program."""
        self.write(json.dumps(value, indent=2) + "\n")

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """The result as a table; where that is no terminal each value stands there whole."""
        cells = [[one_line(cell) for cell in row] for row in rows]
        if sys.stdout.isatty():
            self.write(_drawn(columns, cells))
            return
        lines = [columns, *cells]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        for line in lines:
            padded = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
            self.write("  ".join(padded).rstrip() + "\n")

    def write(self, text: str) -> None:
        """Put `text` on standard output as it is."""
        sys.stdout.write(text)


class Recorder(Screen):
    """Keeps what it is told instead of showing it."""

    live = False

    def __init__(self, host: str = "") -> None:
        super().__init__(host)
        self.lines: list[str] = []
        self.notes: list[str] = []
        self.tables: list[tuple[Sequence[str], Sequence[Sequence[str]]]] = []
        self.value: Any = None

    def line(self, text: str = "") -> None:
        if text:
            self.lines.append(typed_for(self._host, text))

    def note(self, text: str) -> None:
        self.notes.append(typed_for(self._host, text))

    def json(self, value: Any) -> None:
        self.value = value

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        self.tables.append((columns, rows))


def _drawn(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table that fits the terminal."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for number, column in enumerate(columns):
        table.add_column(column, no_wrap=number == 0, overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))
    console = Console(highlight=False)
    with console.capture() as drawn:
        console.print(table)
    return "\n".join(line.rstrip() for line in drawn.get().splitlines()) + "\n"


class Bars:
    """A progress bar for each running project and one for all of them, on standard error."""

    def __init__(self, projects: int) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn

        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[state]}"),
            console=Console(stderr=True),
            transient=True,
        )
        self._bars: dict[str, TaskID] = {}
        self._projects = projects
        self._finished = 0
        self._all = self._progress.add_task("all", total=projects, state=f"0/{projects}")

    def __enter__(self) -> Bars:
        self._progress.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._progress.stop()

    def started(self, name: str) -> None:
        """Show a bar for the project, if there is none yet."""
        if name not in self._bars:
            self._bars[name] = self._progress.add_task(name, total=100, state="")

    def moved(self, name: str, percent: int, state: str) -> None:
        """Move the bar of the project."""
        self._progress.update(self._bars[name], completed=percent, state=state)

    def finished(self, name: str, lines: Sequence[str]) -> None:
        """Take the bar of the project away and leave lines."""
        if name in self._bars:
            self._progress.remove_task(self._bars.pop(name))
        self._finished += 1
        self._progress.update(
            self._all, completed=self._finished, state=f"{self._finished}/{self._projects}"
        )
        for line in lines:
            self._progress.console.print(one_line(line), markup=False, highlight=False)

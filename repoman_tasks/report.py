"""What a person sees: results on standard output, everything else on standard error."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from repoman_tasks.errors import one_line

if TYPE_CHECKING:
    from rich.progress import TaskID

__all__ = ["Bars", "Screen"]

_PIPE_WIDTH = 1000
"""Columns of a table that goes into a file or a pipe: nothing is cut there."""


class Screen:
    """Standard output and error."""

    @property
    def live(self) -> bool:
        """Whether both outputs are a terminal, where things may be redrawn."""
        return sys.stdout.isatty() and sys.stderr.isatty()

    def line(self, text: str = "") -> None:
        """One line of the result. Control characters in it are made visible."""
        self.write(one_line(text) + "\n")

    def note(self, text: str) -> None:
        """One line beside the result."""
        print(one_line(text), file=sys.stderr)

    def json(self, value: Any) -> None:
        """The result for a program."""
        self.write(json.dumps(value, indent=2) + "\n")

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """The result as a table; in a pipe each value stands there whole."""
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, pad_edge=False, header_style="bold")
        for number, column in enumerate(columns):
            table.add_column(column, no_wrap=number == 0, overflow="fold")
        for row in rows:
            table.add_row(*(Text(one_line(cell)) for cell in row))
        console = Console(width=None if sys.stdout.isatty() else _PIPE_WIDTH, highlight=False)
        with console.capture() as drawn:
            console.print(table)
        self.write("\n".join(line.rstrip() for line in drawn.get().splitlines()) + "\n")

    def write(self, text: str) -> None:
        """Put `text` on standard output as it is."""
        sys.stdout.write(text)


class Bars:
    """A progress bar for each running project and one for all of them, on standard error."""

    def __init__(self, projects: int) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn() if projects < 0 else TextColumn("{task.fields[state]}"),
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

    def finished(self, name: str, line: str) -> None:
        """Take the bar of the project away and leave a line."""
        if name in self._bars:
            self._progress.remove_task(self._bars.pop(name))
        self._finished += 1
        self._progress.update(
            self._all, completed=self._finished, state=f"{self._finished}/{self._projects}"
        )
        self._progress.console.print(one_line(line), markup=False, highlight=False)

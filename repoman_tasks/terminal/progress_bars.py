"""How far a sync is, redrawn on a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from repoman_tasks.errors import one_line
from repoman_tasks.planning.text.layout import BAD, FAINT, Cell, shorten

if TYPE_CHECKING:
    from rich.progress import TaskID

__all__ = ["Bars"]

_OTHER_LINES = 4
"""Lines of a terminal that no project has a bar in: the one of all, and some air."""
_MOST = 16
"""More bars than this say nothing more."""
_STYLES = {BAD: "red", FAINT: "dim"}


class Bars:
    """A progress bar for each running project and one for all of them, on standard error.

    Where more run than there is room for, the first of them have one.
    """

    def __init__(self, projects: int) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn

        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(style="dim", complete_style="green", finished_style="green"),
            TextColumn("{task.fields[state]}", style="dim"),
            console=Console(stderr=True, highlight=False, emoji=False),
            transient=True,
            # A thread that redraws may take a line for a bar that is gone, and wipe it out.
            auto_refresh=False,
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
        """Show a bar for the project, if there is none yet and room for it."""
        size = self._progress.console.size
        if name not in self._bars and len(self._bars) < min(_MOST, size.height - _OTHER_LINES):
            short = shorten(name, size.width // 3)
            self._bars[name] = self._progress.add_task(short, total=100, state="")
            self._progress.refresh()

    def moved(self, name: str, percent: int, state: str) -> None:
        """Move the bar of the project."""
        self.started(name)
        if name in self._bars:
            self._progress.update(self._bars[name], completed=percent, state=state, refresh=True)

    def finished(self, name: str, *lines: Cell) -> None:
        """Take the bar of the project away and leave lines."""
        if name in self._bars:
            self._progress.remove_task(self._bars.pop(name))
        self._finished += 1
        state = f"{self._finished}/{self._projects}"
        self._progress.update(self._all, completed=self._finished, state=state, refresh=True)
        for text, look in lines:
            style = _STYLES.get(look, "")
            self._progress.console.print(one_line(text), markup=False, style=style)

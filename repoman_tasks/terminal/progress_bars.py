"""Progress bars of a sync, on a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from repoman_tasks.errors import one_line
from repoman_tasks.planning.text.layout import BAD, FAINT, Cell, shorten

if TYPE_CHECKING:
    from rich.progress import TaskID

__all__ = ["Bars"]

_OTHER_LINES = 4
"""Lines of the terminal without a project's bar: the total, and some space."""
_MOST = 16
"""The most bars that are useful."""
_STYLES = {BAD: "red", FAINT: "dim"}


class Bars:
    """A progress bar for each running project and one for the total, on standard error.

    If the terminal has no room for all, the projects that started first have one.
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
            # rich's refresh thread can erase a line that it takes for a removed bar.
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
        """Show a bar for the project if there is room for it."""
        size = self._progress.console.size
        if name not in self._bars and len(self._bars) < min(_MOST, size.height - _OTHER_LINES):
            short = shorten(name, size.width // 3)
            self._bars[name] = self._progress.add_task(short, total=100, state="")
            self._progress.refresh()

    def moved(self, name: str, percent: int, state: str) -> None:
        """Set the bar of the project."""
        self.started(name)
        if name in self._bars:
            self._progress.update(self._bars[name], completed=percent, state=state, refresh=True)

    def finished(self, name: str, *lines: Cell) -> None:
        """Remove the bar of the project and print `lines`."""
        if name in self._bars:
            self._progress.remove_task(self._bars.pop(name))
        self._finished += 1
        state = f"{self._finished}/{self._projects}"
        self._progress.update(self._all, completed=self._finished, state=state, refresh=True)
        for text, look in lines:
            style = _STYLES.get(look, "")
            self._progress.console.print(one_line(text), markup=False, style=style)

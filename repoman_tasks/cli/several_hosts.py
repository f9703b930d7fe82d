"""One task on several hosts, asked at the same time and shown side by side."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from repoman_tasks.errors import ExitCode, RepomanError, bug
from repoman_tasks.planning.text.layout import Cell, Column
from repoman_tasks.terminal.screen import Recorder, Screen

__all__ = ["Told", "ask_all", "show_all"]


@dataclass
class Told:
    """What came of a task on one host."""

    name: str
    code: int = 0
    error: str = ""
    """Why the host told nothing; empty where it did."""
    screen: Recorder = field(init=False)

    def __post_init__(self) -> None:
        self.screen = Recorder(self.name)

    def show(self, screen: Screen) -> None:
        """Show it as it would have been shown at once."""
        for columns, rows in self.screen.tables:
            screen.table(columns, rows)
        for pieces, hang in self.screen.lines:
            screen.line(*pieces, hang=hang)
        for note in [*self.screen.notes, *([self.error] if self.error else [])]:
            screen.note(note)


def ask_all(names: Sequence[str], ask: Callable[[str, Screen], int]) -> list[Told]:
    """What `ask`, given the name of a host and a screen, brings of each; all at once."""
    all_told = [Told(name) for name in names]

    def one(told: Told) -> None:
        try:
            told.code = ask(told.name, told.screen)
        except RepomanError as error:
            told.code, told.error = int(error.code), str(error)
        except BaseException as error:  # a bug on one host hides no other
            told.code, told.error = int(ExitCode.FAILED), bug(error)

    threads = [threading.Thread(target=one, args=(told,), daemon=True) for told in all_told]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return all_told


def show_all(screen: Screen, all_told: Sequence[Told]) -> int:
    """Show it side by side; the exit code: of a host that told nothing, else the highest."""
    if any(told.screen.value is not None for told in all_told):
        hosts = {told.name: told.screen.value or {"error": told.error} for told in all_told}
        screen.json({"schema": 1, "hosts": hosts})
    else:
        _show_tables(screen, all_told)
        for told in all_told:
            for pieces, hang in told.screen.lines:
                screen.line(f"{told.name}: ", *pieces, hang=hang)
        for told in all_told:
            for line in [*told.screen.notes, *([told.error] if told.error else [])]:
                screen.note(line if line.startswith(f"{told.name}: ") else f"{told.name}: {line}")
    if any(told.error for told in all_told):
        return int(ExitCode.SOME_FAILED)
    return max(told.code for told in all_told)


def _show_tables(screen: Screen, all_told: Sequence[Told]) -> None:
    """One table, with the host before each row; a column that one host lacks is empty there."""
    found = [(told.name, table) for told in all_told for table in told.screen.tables]
    columns: list[Column] = []
    for _, table in sorted(found, key=lambda one: -len(one[1].columns)):
        columns += [column for column in table.columns if column not in columns]
    rows = []
    for name, table in found:
        for row in table.rows:
            by_column = dict(zip(table.columns, row, strict=True))
            rows.append([Cell(name), *(by_column.get(column, Cell("")) for column in columns)])
    if rows:
        screen.table([Column("HOST"), *columns], rows)

"""One task on several hosts, asked at the same time and shown side by side."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from repoman_tasks.errors import ExitCode, RepomanError, internal_error
from repoman_tasks.planning.text.layout import Cell, Column
from repoman_tasks.terminal.screen import Recorder, Screen

__all__ = ["HostOutput", "ask_all", "show_all"]


@dataclass
class HostOutput:
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


def ask_all(names: Sequence[str], ask: Callable[[str, Screen], int]) -> list[HostOutput]:
    """What `ask`, given the name of a host and a screen, brings of each; all at once."""
    outputs = [HostOutput(name) for name in names]

    def one(output: HostOutput) -> None:
        try:
            output.code = ask(output.name, output.screen)
        except RepomanError as error:
            output.code, output.error = int(error.code), str(error)
        except BaseException as error:  # a bug on one host hides no other
            output.code, output.error = int(ExitCode.FAILED), internal_error(error)

    threads = [threading.Thread(target=one, args=(output,), daemon=True) for output in outputs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outputs


def show_all(screen: Screen, outputs: Sequence[HostOutput]) -> int:
    """Show it side by side; the exit code: of a host that told nothing, else the highest."""
    if any(output.screen.value is not None for output in outputs):
        hosts = {output.name: output.screen.value or {"error": output.error} for output in outputs}
        screen.json({"schema": 1, "hosts": hosts})
    else:
        _show_tables(screen, outputs)
        for output in outputs:
            for pieces, hang in output.screen.lines:
                screen.line(f"{output.name}: ", *pieces, hang=hang)
        for output in outputs:
            for line in [*output.screen.notes, *([output.error] if output.error else [])]:
                screen.note(
                    line if line.startswith(f"{output.name}: ") else f"{output.name}: {line}"
                )
    if any(output.error for output in outputs):
        return int(ExitCode.SOME_FAILED)
    return max(output.code for output in outputs)


def _show_tables(screen: Screen, outputs: Sequence[HostOutput]) -> None:
    """One table, with the host before each row; a column that one host lacks is empty there."""
    found = [(output.name, table) for output in outputs for table in output.screen.tables]
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

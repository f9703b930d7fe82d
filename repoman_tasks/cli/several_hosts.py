"""Running a task on several hosts at the same time, and printing the results side by side."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field

from repoman_tasks.errors import ExitCode, RepomanError, internal_error
from repoman_tasks.late_dataclass import dataclass
from repoman_tasks.planning.text.layout import Cell, Column
from repoman_tasks.terminal.screen import Recorder, Screen

__all__ = ["HostOutput", "run_on_all", "show_outputs"]

_TOLD_SECONDS = 1.5
"""Time of waiting for a host after which that is told, again and again."""


@dataclass
class HostOutput:
    """The output of a task on one host."""

    name: str
    code: int = 0
    error: str = ""
    """The message if the task failed there, else ""."""
    screen: Recorder = field(init=False)

    def __post_init__(self) -> None:
        self.screen = Recorder(self.name)

    def show(self, screen: Screen) -> None:
        """Print the recorded output to `screen`, with tables first and notes last."""
        for columns, rows in self.screen.tables:
            screen.table(columns, rows)
        for pieces, hang in self.screen.lines:
            screen.line(*pieces, hang=hang)
        for note in self.notes:
            screen.note(note)

    @property
    def notes(self) -> list[str]:
        """Return the recorded notes, then the error if there is one."""
        return [*self.screen.notes, *([self.error] if self.error else [])]


def run_on_all(
    names: Sequence[str],
    run: Callable[[str, Screen], int],
    tell: Callable[[str], object] = lambda _: None,
) -> list[HostOutput]:
    """Call `run` with each host's name and a recording screen, in a thread for each host.

    Return the outputs in the order of `names`. An error on one host does not stop the others.
    `tell` is called with the hosts that are waited for if that takes long, and then with "".
    """
    outputs = [HostOutput(name) for name in names]

    def run_on(output: HostOutput) -> None:
        try:
            output.code = run(output.name, output.screen)
        except RepomanError as error:
            output.code, output.error = int(error.code), str(error)
        except BaseException as error:  # an exception in a thread would be lost
            output.code, output.error = int(ExitCode.FAILED), internal_error(error)

    threads = {
        output.name: threading.Thread(target=run_on, args=(output,), daemon=True)
        for output in outputs
    }
    for thread in threads.values():
        thread.start()
    _join(threads, tell)
    return outputs


def _join(threads: Mapping[str, threading.Thread], tell: Callable[[str], object]) -> None:
    began, told = time.monotonic(), False
    for thread in threads.values():
        while thread.is_alive():
            thread.join(_TOLD_SECONDS)
            names = [name or "this host" for name, one in threads.items() if one.is_alive()]
            passed = time.monotonic() - began
            if names and passed >= _TOLD_SECONDS:
                told = True
                tell(f"waiting for {', '.join(names)}, {passed:.0f} s")
    if told:
        tell("")


def show_outputs(screen: Screen, outputs: Sequence[HostOutput]) -> int:
    """Print the outputs side by side and return the exit code of the command.

    That is SOME_FAILED if the task failed on a host, else the highest code of a host.
    """
    if any(output.screen.value is not None for output in outputs):
        hosts = {output.name: output.screen.value or {"error": output.error} for output in outputs}
        screen.json({"schema": 1, "hosts": hosts})
    else:
        _show_tables(screen, outputs)
        for output in outputs:
            for pieces, hang in output.screen.lines:
                screen.line(f"{output.name}: ", *pieces, hang=hang)
        for output in outputs:
            for note in output.notes:
                prefix = f"{output.name}: "
                screen.note(note if note.startswith(prefix) else prefix + note)
    if any(output.error for output in outputs):
        return int(ExitCode.SOME_FAILED)
    return max(output.code for output in outputs)


def _show_tables(screen: Screen, outputs: Sequence[HostOutput]) -> None:
    """Print all tables as one, with a column for the host.

    A column that one host lacks is empty in its rows.
    """
    tables = [(output.name, table) for output in outputs for table in output.screen.tables]
    columns: list[Column] = []
    for _, table in sorted(tables, key=lambda named: -len(named[1].columns)):
        columns += [column for column in table.columns if column not in columns]
    rows = []
    for name, table in tables:
        for row in table.rows:
            by_column = dict(zip(table.columns, row, strict=True))
            rows.append([Cell(name), *(by_column.get(column, Cell("")) for column in columns)])
    if rows:
        screen.table([Column("HOST"), *columns], rows)

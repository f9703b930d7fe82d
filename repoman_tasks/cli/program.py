"""The `repoman` command: invoke's Program with repoman's own tasks, and with nothing it finds."""

from __future__ import annotations

import contextlib
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NoReturn

import invoke.config
import invoke.program
from invoke.collection import Collection
from invoke.exceptions import Exit, ParseError

from repoman_tasks import __version__
from repoman_tasks.cli.executor import Executor
from repoman_tasks.cli.parser import UsageExit
from repoman_tasks.planning.text.layout import Cell
from repoman_tasks.terminal.screen import Screen
from repoman_tasks.terminal.streams import finish_output, open_streams

__all__ = ["print_command_help", "run"]

Groups = Mapping[str, Iterable[str]]


class _Config(invoke.config.Config):
    """invoke's defaults alone: no file of the person's, the project's or the system's.

    Such a file could be code (invoke.py), and it could name another executor.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs["lazy"] = True
        super().__init__(*args, **kwargs)

    def load_base_conf_files(self) -> None:
        pass

    def load_runtime(self, merge: bool = True) -> None:
        pass

    def load_shell_env(self) -> None:
        pass


class _Program(invoke.program.Program):
    """invoke's. It begins with the commands that were named, and loads all if it needs them."""

    def __init__(self, groups: Groups, collection: Callable[[], Collection], **options: Any):
        super().__init__(**options)
        self._groups = groups
        self._all = collection

    def parse_core(self, argv: list[str] | None) -> None:
        cached = not sys.dont_write_bytecode
        with _usage_errors():
            super().parse_core(argv)
        sys.dont_write_bytecode = not cached  # invoke means the person's tasks.py, and we have none

    def parse_tasks(self) -> None:
        try:
            super().parse_tasks()
        except UsageExit:  # what was meant may be a command that was not named
            self.collection = self._all()
            super().parse_tasks()

    def print_help(self) -> None:
        from repoman_tasks.cli.help_page import commands_page

        columns = shutil.get_terminal_size().columns
        _show(commands_page(self._groups, self._all().tasks, columns))

    def print_task_help(self, name: str) -> None:
        print_command_help(self, name)

    def list_tasks(self) -> None:
        self.collection = self.scoped_collection = self._all()
        super().list_tasks()

    def parse_cleanup(self) -> None:
        with _usage_errors():
            super().parse_cleanup()

    def execute(self) -> None:
        Executor(self.collection, self.config, self.core).execute(*self.tasks)


def print_command_help(program: invoke.program.Program, name: str) -> None:
    """Print the help page of the command called `name`; a method of invoke's program."""
    from repoman_tasks.cli.help_page import command_page

    columns = shutil.get_terminal_size().columns
    _show(command_page(name, program.collection[name], columns, program.called_as))


def _show(lines: Iterable[Cell]) -> None:
    screen = Screen()
    for line in lines:
        screen.line(line)


@contextlib.contextmanager
def _usage_errors() -> Iterator[None]:
    """What invoke says of its own flags, in repoman's form and with its code."""
    try:
        yield
    except UsageExit:
        raise
    except Exit as end:
        if end.message:
            raise UsageExit(end.message.rstrip("!")) from None
        raise
    except (ParseError, ValueError) as error:
        raise UsageExit(f"{str(error).rstrip('!')}: see `repoman help`") from None


def run(
    groups: Groups,
    collection: Callable[[], Collection],
    collection_for: Callable[[Sequence[str]], Collection],
) -> NoReturn:
    """Run the `repoman` command with sys.argv and exit with its code.

    `groups` are the names of all commands by heading, `collection` loads all of them,
    `collection_for` those that an argument list names.
    """
    open_streams()
    program = _Program(
        groups,
        collection,
        name="repoman",
        binary="repoman",
        version=__version__,
        namespace=collection_for(sys.argv[1:]),
        config_class=_Config,
    )
    try:
        program.run(["repoman", *sys.argv[1:]])
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 0
    sys.exit(finish_output(code))

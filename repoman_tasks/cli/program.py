"""The `repoman` program: invoke's Program with repoman's tasks only, and no configuration files."""

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
    """invoke's default configuration, without files and environment variables.

    A file could contain code (invoke.py), or name another executor.
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
    """invoke's program. It loads the commands that the arguments name, and all only if needed."""

    def __init__(self, groups: Groups, collection: Callable[[], Collection], **options: Any):
        super().__init__(**options)
        self._groups = groups
        self._load_all = collection

    def parse_core(self, argv: list[str] | None) -> None:
        dont_write_bytecode = sys.dont_write_bytecode
        with _convert_usage_errors():
            super().parse_core(argv)
        # invoke turns bytecode off because of the tasks.py of a user, which does not exist here.
        sys.dont_write_bytecode = dont_write_bytecode

    def parse_tasks(self) -> None:
        try:
            super().parse_tasks()
        except UsageExit:  # all names are needed to suggest the nearest
            self.collection = self._load_all()
            super().parse_tasks()

    def print_help(self) -> None:
        from repoman_tasks.cli.help_page import format_commands_page

        columns = shutil.get_terminal_size().columns
        _show(format_commands_page(self._groups, self._load_all().tasks, columns))

    def print_task_help(self, name: str) -> None:
        print_command_help(self, name)

    def list_tasks(self) -> None:
        self.collection = self.scoped_collection = self._load_all()
        super().list_tasks()

    def parse_cleanup(self) -> None:
        with _convert_usage_errors():
            super().parse_cleanup()

    def execute(self) -> None:
        Executor(self.collection, self.config, self.core).execute(*self.tasks)


def print_command_help(program: invoke.program.Program, name: str) -> None:
    """Print the help page of the command called `name`; replaces `Program.print_task_help`."""
    from repoman_tasks.cli.help_page import format_command_page

    columns = shutil.get_terminal_size().columns
    _show(format_command_page(name, program.collection[name], columns, program.called_as))


def _show(lines: Iterable[Cell]) -> None:
    screen = Screen()
    for line in lines:
        screen.line(line)


@contextlib.contextmanager
def _convert_usage_errors() -> Iterator[None]:
    """Raise UsageExit for invoke's own usage errors, which have another form and exit code."""
    try:
        yield
    except UsageExit:
        raise
    except Exit as error:
        if error.message:
            raise UsageExit(error.message.rstrip("!")) from None
        raise
    except (ParseError, ValueError) as error:
        raise UsageExit(f"{str(error).rstrip('!')}: see `repoman help`") from None


def run(
    groups: Groups,
    collection: Callable[[], Collection],
    collection_for: Callable[[Sequence[str]], Collection],
) -> NoReturn:
    """Run `repoman` with sys.argv and exit with its code.

    `groups` has the names of all commands by heading. `collection` loads all commands,
    `collection_for` those that an argv names.
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
    except SystemExit as exit_:
        code = exit_.code if isinstance(exit_.code, int) else 0
    sys.exit(finish_output(code))

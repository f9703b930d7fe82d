"""The help of one command as values, for its help page, the man page and docs/commands.md."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from invoke.parser.argument import Argument

from repoman_tasks.cli.task import COMMON, Task
from repoman_tasks.planning.completion_files import SHELLS
from repoman_tasks.planning.container.repairs import CHOICES

__all__ = ["CommandHelp", "Option", "command_help"]

_PLACEHOLDERS: Mapping[str, str] = {
    "clone": "URL",
    **dict.fromkeys(("local-repos", "nfs-repos", "repo", "to"), "DIR"),
    **{name: "|".join(CHOICES[name]) for name in ("missing", "orphan", "half-made")},
    "shell": "|".join(sorted(SHELLS)),
}
"""By the name of an option, what stands for its value; else the last part of its name."""

_EXIT_CODES: Mapping[str, str] = {
    "0": "success",
    "1": "failure",
    "2": "invalid arguments or configuration; nothing was done",
}
"""Those of every command."""

_PROGRAM = "-- PROGRAM ..."


@dataclass(frozen=True)
class Option:
    """An option with its names, the short one first, or an argument, which has none."""

    names: tuple[str, ...]
    value: str
    """What stands for the value; empty if it takes none."""
    text: str

    @property
    def heading(self) -> str:
        """The option as a person types it."""
        return " ".join(filter(None, (", ".join(self.names), self.value)))


@dataclass(frozen=True)
class CommandHelp:
    """What there is to say of a command."""

    name: str
    operands: tuple[str, ...]
    """What follows the name in the usage, options aside."""
    program: str
    """The program after `--` in the usage; empty if it takes none."""
    paragraphs: tuple[str, ...]
    arguments: tuple[Option, ...]
    options: tuple[Option, ...]
    common: tuple[Option, ...]
    """Those that every command takes."""
    examples: Mapping[str, str]
    exit_codes: Mapping[str, str]
    """Those that not every command has."""

    @property
    def all_exit_codes(self) -> Mapping[str, str]:
        """Its exit codes, with those of every command."""
        return {**_EXIT_CODES, **self.exit_codes}

    @property
    def usage(self) -> str:
        """The command as a person types it, with placeholders."""
        return " ".join(filter(None, (self.name, *self.operands, "[options]", self.program)))


def command_help(name: str, task: Task[Any]) -> CommandHelp:
    """Return the help of `task`, which is called `name`."""
    arguments = task.get_arguments()
    positional = [argument for argument in arguments if argument.positional]
    others = [argument for argument in arguments if not argument.positional]
    names = [argument.names[0].upper() for argument in positional]
    paragraphs = inspect.cleandoc(task.__doc__ or "").split("\n\n")
    return CommandHelp(
        name,
        tuple(word if task.greedy else f"[{word}]" for word in names),
        _program(task),
        tuple(" ".join(paragraph.split()) for paragraph in paragraphs),
        tuple(map(_option, positional)),
        tuple(_option(argument) for argument in others if not _is_common(argument)),
        tuple(_option(argument) for argument in others if _is_common(argument)),
        task.examples,
        task.exit_codes,
    )


def _program(task: Task[Any]) -> str:
    if not task.takes_argv:
        return ""
    return _PROGRAM if task.needs_argv else f"[{_PROGRAM}]"


def _is_common(argument: Argument) -> bool:
    return (argument.attr_name or argument.names[0]) in COMMON


def _option(argument: Argument) -> Option:
    text = argument.help or ""
    long, *short = argument.names
    if argument.positional:
        return Option((), long.upper(), text)
    value = _placeholder(argument) if argument.takes_value else ""
    return Option((*(f"-{name}" for name in short), f"--{long}"), value, text)


def _placeholder(argument: Argument) -> str:
    name = argument.names[0]
    if argument.kind in (int, float):
        return "N"
    return _PLACEHOLDERS.get(name) or name.rpartition("-")[2].upper()

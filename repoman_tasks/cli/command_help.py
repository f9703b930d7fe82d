"""The help of a command as values, for its help page, the man page and docs/commands.md."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from invoke.parser.argument import Argument

from repoman_tasks.cli.task import COMMON_OPTIONS, Task
from repoman_tasks.late_dataclass import dataclass
from repoman_tasks.model import PROTECTIONS
from repoman_tasks.planning.completion_files import SHELLS
from repoman_tasks.planning.container.repairs import CHOICES

__all__ = ["CommandHelp", "Option", "describe_command"]

_PLACEHOLDERS: Mapping[str, str] = {
    "at": "WHEN",
    "clone": "URL",
    **dict.fromkeys(("local-repos", "nfs-repos", "repo", "to"), "DIR"),
    **{name: "|".join(CHOICES[name]) for name in ("missing", "orphan", "half-made")},
    "protect": "|".join(PROTECTIONS),
    "shell": "|".join(sorted(SHELLS)),
}
"""Placeholders for the values of options; the default is the last part of the name."""

_EXIT_CODES: Mapping[str, str] = {
    "0": "success",
    "1": "failure",
    "2": "invalid arguments or configuration; nothing was done",
}
"""Exit codes of every command."""

_PROGRAM = "-- PROGRAM ..."


@dataclass(frozen=True)
class Option:
    """An option with its names, the short one first; or a positional argument, without names."""

    names: tuple[str, ...]
    value: str
    """Placeholder of the value, "" for a flag."""
    text: str

    @property
    def heading(self) -> str:
        """Return names and placeholder, as in `-j, --jobs N`."""
        return " ".join(filter(None, (", ".join(self.names), self.value)))


@dataclass(frozen=True)
class CommandHelp:
    """The help of a command."""

    name: str
    operands: tuple[str, ...]
    """Positional arguments as the usage shows them, such as `[NAME]`."""
    program: str
    """Placeholder of the program after `--`, "" if the command takes none."""
    paragraphs: tuple[str, ...]
    arguments: tuple[Option, ...]
    options: tuple[Option, ...]
    common: tuple[Option, ...]
    """Options of every command."""
    examples: Mapping[str, str]
    exit_codes: Mapping[str, str]
    """Meanings of the exit codes that not every command has."""

    @property
    def all_exit_codes(self) -> Mapping[str, str]:
        """Return all exit codes, with those of every command."""
        return {**_EXIT_CODES, **self.exit_codes}

    @property
    def usage(self) -> str:
        """Return the usage line, without `repoman`."""
        return " ".join(filter(None, (self.name, *self.operands, "[options]", self.program)))


def describe_command(name: str, task: Task[Any]) -> CommandHelp:
    """Return the help of `task`, whose command is called `name`."""
    arguments = task.get_arguments()
    positional = [argument for argument in arguments if argument.positional]
    others = [argument for argument in arguments if not argument.positional]
    placeholders = [_operand(argument, task.greedy) for argument in positional]
    paragraphs = inspect.cleandoc(task.__doc__ or "").split("\n\n")
    return CommandHelp(
        name,
        tuple(placeholders),
        _program_placeholder(task),
        tuple(" ".join(paragraph.split()) for paragraph in paragraphs),
        tuple(map(_describe_option, positional)),
        tuple(_describe_option(argument) for argument in others if not _is_common(argument)),
        tuple(_describe_option(argument) for argument in others if _is_common(argument)),
        task.examples,
        task.exit_codes,
    )


def _operand(argument: Argument, required: bool) -> str:
    name = argument.names[0].upper()
    if argument.kind is list:
        return f"[{name} ...]"
    return name if required else f"[{name}]"


def _program_placeholder(task: Task[Any]) -> str:
    if not task.takes_argv:
        return ""
    return _PROGRAM if task.needs_argv else f"[{_PROGRAM}]"


def _is_common(argument: Argument) -> bool:
    return (argument.attr_name or argument.names[0]) in COMMON_OPTIONS


def _describe_option(argument: Argument) -> Option:
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

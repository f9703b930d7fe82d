"""The help pages: of `repoman` alone, and of each command."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from repoman_tasks.cli.command_help import CommandHelp, Option, command_help
from repoman_tasks.cli.parser import GLOBAL
from repoman_tasks.cli.task import Task
from repoman_tasks.planning.text.layout import STRONG, Cell

__all__ = ["command_page", "commands_page"]

_WIDEST = 100
_WIDEST_HEADING = 28
"""A longer one has its text below."""

_USAGE = "repoman COMMAND [NAME] [options]"
_PROMPTS = "With no arguments on a terminal, a command prompts for what it needs."
_OPTIONS = """\
Each command takes --host HOST to work on another host over SSH, --yes to answer ordinary
questions with yes, and --no-input to prompt for nothing.
"""
_GLOBAL = "Global options, before the command:"
_SHOWN_GLOBAL = ("--debug", "--dry", "--version")
_MORE = "`repoman help COMMAND` shows the options of a command, with examples."


def commands_page(
    groups: Mapping[str, Iterable[str]], tasks: Mapping[str, Task[Any]], columns: int
) -> Iterator[Cell]:
    """Yield the lines of the page that lists all commands, for a terminal of so many columns."""
    columns = min(columns, _WIDEST)
    yield from _usage(_USAGE, columns)
    yield Cell("")
    yield from _wrapped(_PROMPTS, columns)
    indent = 4 + max(map(len, tasks))
    for title, names in groups.items():
        summaries = {name: (tasks[name].__doc__ or "").strip().split("\n")[0] for name in names}
        yield from _section(title, _listed(summaries, columns, indent))
    shown = {name: GLOBAL[name] for name in _SHOWN_GLOBAL}
    yield from _section(_GLOBAL, _listed(shown, columns, indent))
    for text in (_OPTIONS, _MORE):
        yield Cell("")
        yield from _wrapped(text, columns)


def command_page(
    name: str, task: Task[Any], columns: int, program: str = "repoman"
) -> Iterator[Cell]:
    """Yield the lines of the help page of `task`, which `program` calls `name`."""
    columns = min(columns, _WIDEST)
    about = command_help(name, task)
    yield from _usage(f"{program} {about.usage}", columns)
    for paragraph in about.paragraphs:
        yield Cell("")
        yield from _wrapped(paragraph, columns)
    yield from _section("Examples:", _examples(about, program, columns))
    groups = {
        "Arguments:": about.arguments,
        "Options:": about.options,
        "Common options:": (*about.common, Option(("-h", "--help"), "", "Show this page.")),
    }
    indent = _indent(option for options in groups.values() for option in options)
    for title, options in groups.items():
        texts = {option.heading: option.text for option in options}
        yield from _section(title, _listed(texts, columns, indent))
    indent = 4 + max(map(len, about.all_exit_codes))
    yield from _section("Exit codes:", _listed(about.all_exit_codes, columns, indent))


def _examples(about: CommandHelp, program: str, columns: int) -> Iterator[Cell]:
    """Yield each example below what it does; it is never wrapped, so that it can be copied."""
    for line, text in about.examples.items():
        yield from _wrapped(f"{text}:", columns, "  ")
        yield Cell(f"    {program}{line.removeprefix('repoman')}")


def _indent(options: Iterable[Option]) -> int:
    widths = [len(option.heading) for option in options]
    return 4 + max(width for width in widths if width <= _WIDEST_HEADING)


def _usage(text: str, columns: int) -> Iterator[Cell]:
    return _wrapped(f"Usage: {text}", columns, further=" " * 7)


def _section(title: str, lines: Iterator[Cell]) -> Iterator[Cell]:
    """Yield the lines below their title; nothing if there are none."""
    for number, line in enumerate(lines):
        if not number:
            yield Cell("")
            yield Cell(title, STRONG)
        yield line


def _listed(texts: Mapping[str, str], columns: int, indent: int) -> Iterator[Cell]:
    """Yield each heading with its text beside it, or below it if the heading is too long."""
    for heading, text in texts.items():
        first = f"  {heading:{indent - 2}}"
        if len(first) > indent:
            yield Cell(first)
            first = " " * indent
        yield from _wrapped(text, columns, first, " " * indent)


def _wrapped(text: str, columns: int, first: str = "", further: str = "") -> Iterator[Cell]:
    further = further or " " * (len(first) - len(first.lstrip()))
    for line in textwrap.wrap(
        text,
        columns,
        initial_indent=first,
        subsequent_indent=further,
        break_on_hyphens=False,
    ):
        yield Cell(line)

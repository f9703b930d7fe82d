"""Help pages for the terminal: of all commands, and of one."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from repoman_tasks.cli.command_help import CommandHelp, Option, describe_command
from repoman_tasks.cli.parser import GLOBAL_OPTIONS
from repoman_tasks.cli.task import Task
from repoman_tasks.planning.text.layout import STRONG, Cell

__all__ = ["format_command_page", "format_commands_page"]

_MAX_COLUMNS = 100
_MAX_HEADING = 28
"""The text of a longer heading is on the next line."""

_USAGE = "repoman COMMAND [NAME] [options]"
_PROMPTS = "With no arguments on a terminal, a command prompts for what it needs."
_OPTIONS = """\
Each command takes --host HOST to work on another host over SSH, --yes to answer ordinary
questions with yes, and --no-input to prompt for nothing.
"""
_GLOBAL_TITLE = "Global options, before the command:"
_SHOWN_GLOBAL = ("--debug", "--dry", "--version")
_MORE = "`repoman help COMMAND` shows the options of a command, with examples."


def format_commands_page(
    groups: Mapping[str, Iterable[str]], tasks: Mapping[str, Task[Any]], columns: int
) -> Iterator[Cell]:
    """Yield the lines of the page that lists all commands, wrapped at `columns`."""
    columns = min(columns, _MAX_COLUMNS)
    yield from _format_usage(_USAGE, columns)
    yield Cell("")
    yield from _wrap(_PROMPTS, columns)
    indent = 4 + max(map(len, tasks))
    for title, names in groups.items():
        summaries = {name: (tasks[name].__doc__ or "").strip().split("\n")[0] for name in names}
        yield from _format_section(title, _format_list(summaries, columns, indent))
    shown = {name: GLOBAL_OPTIONS[name] for name in _SHOWN_GLOBAL}
    yield from _format_section(_GLOBAL_TITLE, _format_list(shown, columns, indent))
    for text in (_OPTIONS, _MORE):
        yield Cell("")
        yield from _wrap(text, columns)


def format_command_page(
    name: str, task: Task[Any], columns: int, program: str = "repoman"
) -> Iterator[Cell]:
    """Yield the lines of the help page of `task`, called as `program name`."""
    columns = min(columns, _MAX_COLUMNS)
    content = describe_command(name, task)
    yield from _format_usage(f"{program} {content.usage}", columns)
    for paragraph in content.paragraphs:
        yield Cell("")
        yield from _wrap(paragraph, columns)
    yield from _format_section("Examples:", _format_examples(content, program, columns))
    groups = {
        "Arguments:": content.arguments,
        "Options:": content.options,
        "Common options:": (*content.common, Option(("-h", "--help"), "", "Show this page.")),
    }
    indent = _text_indent(option for options in groups.values() for option in options)
    for title, options in groups.items():
        texts = {option.heading: option.text for option in options}
        yield from _format_section(title, _format_list(texts, columns, indent))
    indent = 4 + max(map(len, content.all_exit_codes))
    yield from _format_section("Exit codes:", _format_list(content.all_exit_codes, columns, indent))


def _format_examples(content: CommandHelp, program: str, columns: int) -> Iterator[Cell]:
    """Yield the description of each example and, unwrapped for copying, its command line."""
    for line, text in content.examples.items():
        yield from _wrap(f"{text}:", columns, "  ")
        yield Cell(f"    {program}{line.removeprefix('repoman')}")


def _text_indent(options: Iterable[Option]) -> int:
    widths = [len(option.heading) for option in options]
    return 4 + max(width for width in widths if width <= _MAX_HEADING)


def _format_usage(text: str, columns: int) -> Iterator[Cell]:
    return _wrap(f"Usage: {text}", columns, further=" " * 7)


def _format_section(title: str, lines: Iterator[Cell]) -> Iterator[Cell]:
    """Yield a blank line, the title and the lines; nothing if there are no lines."""
    for number, line in enumerate(lines):
        if not number:
            yield Cell("")
            yield Cell(title, STRONG)
        yield line


def _format_list(texts: Mapping[str, str], columns: int, indent: int) -> Iterator[Cell]:
    """Yield each heading with its text in a second column that starts at `indent`."""
    for heading, text in texts.items():
        first = f"  {heading:{indent - 2}}"
        if len(first) > indent:
            yield Cell(first)
            first = " " * indent
        yield from _wrap(text, columns, first, " " * indent)


def _wrap(text: str, columns: int, first: str = "", further: str = "") -> Iterator[Cell]:
    further = further or " " * (len(first) - len(first.lstrip()))
    for line in textwrap.wrap(
        text,
        columns,
        initial_indent=first,
        subsequent_indent=further,
        break_on_hyphens=False,
    ):
        yield Cell(line)

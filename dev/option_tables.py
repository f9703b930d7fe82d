"""Make the tables of the commands' options in docs/commands.md, from the tasks. No I/O."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Iterator, Mapping

from invoke.collection import Collection
from invoke.parser.argument import Argument

from dev.man_page import value_name
from repoman_tasks.cli.task import COMMON, Task

__all__ = ["with_options"]

_MARKED = re.compile(r"(<!-- options -->\n).*(<!-- /options -->)", re.DOTALL)


def with_options(page: str, namespace: Collection, groups: Mapping[str, Iterable[str]]) -> str:
    """Return `page` with a section for each command of `namespace` between its marks."""
    text = "\n\n".join(_sections(namespace, groups))
    return _MARKED.sub(lambda found: f"{found[1]}\n{text}\n\n{found[2]}", page)


def _sections(namespace: Collection, groups: Mapping[str, Iterable[str]]) -> Iterator[str]:
    for name in (name for names in groups.values() for name in names):
        task = namespace.tasks[name]
        arguments = task.get_arguments()
        yield f"## {name}\n\n{inspect.cleandoc(task.__doc__ or '')}"
        yield f"```text\n{_usage(name, task)}\n```"
        own = [argument for argument in arguments if not _is_common(argument)]
        if own:
            yield _table(own)
    yield f"## Common options\n\n{_table(filter(_is_common, arguments))}"


def _is_common(argument: Argument) -> bool:
    return (argument.attr_name or argument.names[0]) in COMMON


def _usage(name: str, task: Task[object]) -> str:
    argv = ["repoman", name]
    for argument in task.get_arguments():
        if argument.positional:
            word = argument.names[0].upper()
            argv.append(word if task.greedy else f"[{word}]")
    argv.append("[options]")
    if task.takes_argv:
        argv.append("[-- COMMAND]")
    return " ".join(argv)


def _table(arguments: Iterable[Argument]) -> str:
    rows = [f"| {_names(one)} | {one.help} |" for one in arguments]
    return "\n".join(["| Option | Meaning |", "| --- | --- |", *rows])


def _names(argument: Argument) -> str:
    """Return the argument as a person types it, its short name first."""
    if argument.positional:
        return f"`{argument.names[0].upper()}`"
    long, *short = argument.names
    value = f" {value_name(argument)}".replace("|", "\\|") if argument.takes_value else ""
    return ", ".join([*(f"`-{name}`" for name in short), f"`--{long}{value}`"])

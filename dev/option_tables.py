"""Make the sections of the commands in docs/commands.md, from the tasks. No I/O."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from invoke.collection import Collection

from repoman_tasks.cli.command_help import CommandHelp, Option, describe_command

__all__ = ["with_options"]

_MARKED = re.compile(r"(<!-- options -->\n).*(<!-- /options -->)", re.DOTALL)


def with_options(page: str, namespace: Collection, groups: Mapping[str, Iterable[str]]) -> str:
    """Return `page` with a section for each command of `namespace` between its marks."""
    names = [name for names in groups.values() for name in names]
    helps = [describe_command(name, namespace.tasks[name]) for name in names]
    text = "\n\n".join(_sections(helps))
    return _MARKED.sub(lambda found: f"{found[1]}\n{text}\n\n{found[2]}", page)


def _sections(helps: Iterable[CommandHelp]) -> Iterator[str]:
    for about in helps:
        yield f"## {about.name}"
        yield from about.paragraphs
        yield f"```text\nrepoman {about.usage}\n```"
        if about.arguments or about.options:
            yield _table((*about.arguments, *about.options))
        examples = "\n".join(f"$ {line}    # {text}" for line, text in about.examples.items())
        yield f"```console\n{examples}\n```"
    yield f"## Common options\n\n{_table(about.common)}"


def _table(options: Iterable[Option]) -> str:
    rows = [f"| {_names(option)} | {option.text} |" for option in options]
    return "\n".join(["| Option | Meaning |", "| --- | --- |", *rows])


def _names(option: Option) -> str:
    """Return the option as a person types it, its short name first."""
    *short, long = option.heading.replace("|", "\\|").split(", ")
    return ", ".join(f"`{name}`" for name in (*short, long))

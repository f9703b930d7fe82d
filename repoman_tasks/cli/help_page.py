"""What `repoman` alone prints: the commands by what one wants to do."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping
from typing import Any

from invoke.tasks import Task

__all__ = ["page"]

_WIDEST = 100
_HEAD = "repoman COMMAND [NAME] [--flags]; a COMMAND alone asks for what it needs."
_TAIL = """
`repoman help COMMAND` shows its flags. Each takes --host HOST to work on another host over SSH,
--yes to answer the ordinary questions with yes, and --no-input to be asked nothing at all.
Before a command stand --debug, a traceback with an error, and --dry, to change nothing.
"""


def page(groups: Mapping[str, Iterable[str]], tasks: Mapping[str, Task[Any]], columns: int) -> str:
    """The page for a terminal of so many columns."""
    columns = min(columns, _WIDEST)
    lines = textwrap.wrap(_HEAD, columns)
    indent = 4 + max(map(len, tasks))
    for title, names in groups.items():
        lines += ["", title]
        for name in names:
            summary = (tasks[name].__doc__ or "").strip().splitlines()[0]
            lines += textwrap.wrap(
                summary,
                columns,
                initial_indent=f"  {name:{indent - 2}}",
                subsequent_indent=" " * indent,
            )
    lines += ["", *textwrap.wrap(_TAIL.strip(), columns)]
    return "\n".join(lines) + "\n"

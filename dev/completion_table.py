"""The table in each completion script, made from the tasks and their signatures. No I/O.

A row is `KEY:KIND:HELP`. KEY is a command, or a command and one of its flags; `* FLAG` is a flag of
every command, ` FLAG` one of repoman itself. KIND is what follows: project, snapshot (of the
project that precedes it), template, image, profile, agent, host, folder, repo (a folder below
local_repos), `choice WORD…`, `any` if nobody knows it, or none.
`project WORD…` is a project or one of the words. After `WORD=NEXT`, what follows is of the kind
NEXT; that is `project>snapshot` for a project and snapshots of it. KIND ends with `!` if what
follows may be the name of a command, with `+` if the flag may be repeated.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from invoke.collection import Collection
from invoke.parser.argument import Argument

from repoman_tasks.cli.parser import GLOBAL_OPTIONS
from repoman_tasks.cli.task import COMMON_OPTIONS, Task
from repoman_tasks.model import PROTECTIONS
from repoman_tasks.planning.completion_files import ACTIONS, SHELLS
from repoman_tasks.planning.container.agents import AGENT_NAMES
from repoman_tasks.planning.container.repairs import CHOICES
from repoman_tasks.planning.container.template_plan import ACTIONS as TEMPLATE_ACTIONS

__all__ = ["FREE", "KINDS", "Row", "table", "with_shared", "with_table"]


class Row(NamedTuple):
    """The kind of what follows a command or flag, and its help."""

    kind: str
    help: str


def _choice(names: tuple[str, ...]) -> str:
    return " ".join(("choice", *names))


KINDS: Mapping[str, str] = {
    "action": _choice(ACTIONS),
    "agent": _choice(AGENT_NAMES),
    "half-made": _choice(CHOICES["half-made"]),
    "host": "host",
    "image": "image",
    "local-repos": "folder",
    "missing": _choice(CHOICES["missing"]),
    "name": "project",
    "nfs-repos": "folder",
    "orphan": _choice(CHOICES["orphan"]),
    "profile": "profile",
    "project": "project",
    "protect": _choice(tuple(PROTECTIONS)),
    "repo": "repo",
    "shell": _choice(SHELLS),
    "template": "template",
    "to": "folder",
    "with": "agent",
}
"""The kind of an argument's value, by the name of the argument."""

FREE = (
    *(
        "agents",
        "at",
        "clone",
        "from-project",
        "incus-project",
        "interval",
        "jobs",
        "k",
        "limit",
        "network",
        "path",
        "port",
        "sample",
        "storage-pool",
    ),
    "tier",
)
"""Arguments whose value can be anything."""

_ACTION_OR_NAME = {
    "agent": "project list stop=project",
    "snapshot": "project list=project remove=project>snapshot",
}
"""The kind of NAME of commands that take an action in its place."""
_NEW_NAME = ("adopt", "new")
"""Commands whose NAME is not that of an existing project."""


def table(namespace: Collection) -> dict[str, Row]:
    """Return the rows for the commands of `namespace`, the chores behind the others."""
    rows = {f" {flag}": Row("", help) for flag, help in GLOBAL_OPTIONS.items()}
    rows["* --help"] = Row("", "Show help.")
    rows["help"] = Row("", "Show the flags of a command.")
    tasks = sorted(namespace.tasks.items())
    for prefix, chores in namespace.collections.items():
        tasks += [(f"{prefix}.{name}", task) for name, task in sorted(chores.tasks.items())]
    for name, task in tasks:
        rows.update(_rows(name, task))
    return rows


def _rows(name: str, task: Task[object]) -> Iterator[tuple[str, Row]]:
    arguments = task.get_arguments()
    first = next((_kind(name, argument) for argument in arguments if argument.positional), "")
    mark = "!" if task.greedy and first else ""
    yield name, Row(first + mark, (task.__doc__ or "").split("\n")[0])
    for argument in arguments:
        if not argument.positional:
            common = (argument.attr_name or argument.names[0]) in COMMON_OPTIONS
            yield from _flag("*" if common else name, argument)


def _flag(command: str, argument: Argument) -> Iterator[tuple[str, Row]]:
    kind = _kind(command, argument) if argument.takes_value else ""
    kind += "+" if argument.kind is list else ""
    for name in argument.names:
        if len(name) > 1 or kind:
            dashes = "--" if len(name) > 1 else "-"
            yield f"{command} {dashes}{name}", Row(kind, argument.help or "")


def _kind(command: str, argument: Argument) -> str:
    name = argument.names[0]
    if name == "name" and command in _NEW_NAME:
        return "any"
    if (command, name) == ("template", "action"):
        return _choice(tuple(a if a == "list" else f"{a}=template" for a in TEMPLATE_ACTIONS))
    if (command, name) == ("undo", "at"):
        return "snapshot"
    if name == "name" and command in _ACTION_OR_NAME:
        return _ACTION_OR_NAME[command]
    return KINDS.get(name, "any")


# --- writing it into a script --------------------------------------------------------------


def with_table(script: str, rows: Mapping[str, Row]) -> str:
    """Return `script` with `rows` as its table, which stands there as one string in quotes."""
    text = "".join(f"{key}:{kind}:{help}\n" for key, (kind, help) in rows.items())
    assert "\\" not in text, "fish would take it for an escape"
    return _replaced(script, "table", text.replace("'", r"'\''"))


def with_shared(script: str, source: str) -> str:
    """Return `script` with the functions that `source` shares with it."""
    return _replaced(script, "shared part", _part("shared part").search(source)[2])  # type: ignore[index]


def _replaced(script: str, name: str, text: str) -> str:
    result, count = _part(name).subn(lambda found: found[1] + text + found[3], script)
    assert count == 1, f"the script has no {name}"
    return result


def _part(name: str) -> re.Pattern[str]:
    return re.compile(
        rf"(^# begin of the {name}\b[^\n]*\n)(.*?)(^# end of the {name}\n)", re.M | re.S
    )

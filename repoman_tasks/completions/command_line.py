"""The completions of the shells, made from the tasks and their signatures."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from invoke.collection import Collection
from invoke.parser.argument import Argument

from repoman_tasks.cli.parser import GLOBAL
from repoman_tasks.cli.task import Task
from repoman_tasks.completions import bash, fish, zsh
from repoman_tasks.completions.grammar import Command, Flag, choice
from repoman_tasks.model import Defaults
from repoman_tasks.planning.completion_files import ACTIONS, SHELLS
from repoman_tasks.planning.container.repairs import CHOICES

__all__ = ["FREE", "known_commands", "scripts"]

KINDS: Mapping[str, str] = {
    "action": choice(ACTIONS),
    "half-made": choice(CHOICES["half-made"]),
    "host": "host",
    "image": "image",
    "local-repos": "folder",
    "missing": choice(CHOICES["missing"]),
    "name": "project",
    "nfs-repos": "folder",
    "orphan": choice(CHOICES["orphan"]),
    "profile": "profile",
    "repo": "repo",
    "shell": choice(SHELLS),
    "to": "folder",
}
"""By the name of an argument, what its value can be."""

FREE = ("clone", "from-project", "interval", "jobs", "k", "network", "storage-pool", "tier")
"""Arguments whose values nobody here knows."""

_NAMES_NOTHING_YET = ("adopt", "new")
"""Commands whose NAME is none of a project that is there."""

_CORE = tuple(Flag((name,), text) for name, text in GLOBAL.items())

_MAKERS: Mapping[str, Callable[[Sequence[Command], Sequence[str], Sequence[str]], str]] = {
    "bash": bash.script,
    "fish": fish.script,
    "zsh": zsh.script,
}


def scripts(namespace: Collection) -> dict[str, str]:
    """Return the script of each shell, for the commands of `namespace`."""
    known = known_commands(namespace)
    defaults = Defaults()
    images, profiles = [defaults.default_image], list(defaults.profiles)
    return {shell: make(known, images, profiles) for shell, make in _MAKERS.items()}


def known_commands(namespace: Collection) -> list[Command]:
    """The commands of `namespace`, and `help`; first the one without a name, for what stands before
    them."""
    chores = namespace.collections.items()
    return [
        Command("", "", _CORE),
        Command("help", "Show the flags of a command."),
        *(_command(name, task) for name, task in sorted(namespace.tasks.items())),
        *(_command(f"{prefix}.{name}", task, True) for prefix, name, task in _inner(chores)),
    ]


def _inner(chores: Any) -> Iterator[tuple[str, str, Task[object]]]:
    for prefix, collection in chores:
        for name, task in sorted(collection.tasks.items()):
            yield prefix, name, task


def _command(name: str, task: Task[object], chore: bool = False) -> Command:
    arguments = task.get_arguments()
    words = [_kind(name, argument) for argument in arguments if argument.positional]
    flags = [_flag(name, argument) for argument in arguments if not argument.positional]
    flags.append(Flag(("--help",), "Show help."))
    summary = (task.__doc__ or "").strip().splitlines()[0]
    return Command(name, summary, tuple(flags), "".join(words), task.greedy, chore)


def _flag(command: str, argument: Argument) -> Flag:
    long, *short = argument.names
    names = (f"--{long}", *(f"-{name}" for name in short))
    value = _kind(command, argument) if argument.takes_value else ""
    return Flag(names, argument.help or "", value, argument.kind is list)


def _kind(command: str, argument: Argument) -> str:
    """The kind of an argument's value; `any` where nobody knows what it can be."""
    name = argument.names[0]
    if name == "name" and command in _NAMES_NOTHING_YET:
        return "any"
    return KINDS.get(name, "any")

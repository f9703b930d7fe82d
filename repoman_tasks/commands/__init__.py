"""The subcommands: a thin file for each."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Sequence

from invoke.collection import Collection

from repoman_tasks.cli.parser import install
from repoman_tasks.cli.task import Task

__all__ = ["GROUPS", "NAMES", "collection", "collection_for"]

_RESERVED = ("exec", "list")
"""Names of Python's own; the function has an underscore more."""

GROUPS = {
    "Get started": ("setup", "new", "adopt"),
    "Work in a container": ("shell", "exec", "start", "stop", "restart"),
    "Look and back up": ("list", "status", "sync"),
    "Change a container": ("update", "trust", "untrust"),
    "Remove": ("remove",),
    "Other": ("completion",),
}
"""The commands by what one wants to do."""

NAMES = tuple(sorted(name for names in GROUPS.values() for name in names))


_FOLLOW_UPS = {"setup": ("new", "sync")}
"""Commands that one command can continue with."""


def collection(names: Iterable[str] = NAMES) -> Collection:
    """Return these commands as invoke's collection. Only their modules are imported."""
    install()
    return Collection(*(_load(name) for name in names))


def collection_for(argv: Sequence[str]) -> Collection:
    """Return the commands that `argv` names, all of them if its first word is not a command.

    Importing the other commands would take a third of the start.
    """
    named = {name for word in argv for name in (word, *_FOLLOW_UPS.get(word, ()))}
    return collection([n for n in NAMES if n in named] if argv and argv[0] in NAMES else NAMES)


def _load(name: str) -> Task[object]:
    module = importlib.import_module(f"{__name__}.{name}")
    found: Task[object] = getattr(module, f"{name}_" if name in _RESERVED else name)
    return found

"""The commands, a module for each."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Sequence

from invoke.collection import Collection

from repoman_tasks.cli.parser import install_parser
from repoman_tasks.cli.task import Task

__all__ = ["GROUPS", "NAMES", "collection", "collection_for"]

_RESERVED = ("exec", "list")
"""Commands that Python has a builtin for; their functions end in an underscore."""

GROUPS = {
    "Get started": ("setup", "new", "adopt"),
    "Work in a container": (
        "agent",
        "shell",
        "exec",
        "forward",
        "start",
        "stop",
        "restart",
        "snapshot",
        "undo",
    ),
    "Look and back up": (
        "list",
        "status",
        "sync",
        "verify",
        "history",
        "restore",
        "log",
        "nightly",
    ),
    "Change a container": ("update", "reset", "template", "rename", "login", "trust", "untrust"),
    "Remove": ("remove", "uninstall"),
    "Other": ("completion", "git-guard", "ssh-config"),
}
"""The names of the commands by heading of the help page."""

NAMES = tuple(sorted(name for names in GROUPS.values() for name in names))


_FOLLOW_UPS = {"setup": ("restore", "new", "sync")}
"""The commands that may follow a command, by its name."""


def collection(names: Iterable[str] = NAMES) -> Collection:
    """Return these commands as a collection of invoke. Import only their modules."""
    install_parser()
    return Collection(*(_load(name) for name in names))


def collection_for(argv: Sequence[str]) -> Collection:
    """Return the commands that `argv` names, or all if it does not begin with a command.

    Importing the others would take a third of the startup time.
    """
    named = {name for item in argv for name in (item, *_FOLLOW_UPS.get(item, ()))}
    return collection([n for n in NAMES if n in named] if argv and argv[0] in NAMES else NAMES)


def _load(name: str) -> Task[object]:
    function = name.replace("-", "_")
    module = importlib.import_module(f"{__name__}.{function}")
    task: Task[object] = getattr(module, f"{name}_" if name in _RESERVED else function)
    return task

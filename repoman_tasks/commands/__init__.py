"""What a person types: a file for each subcommand, thin."""

from __future__ import annotations

import importlib
from collections.abc import Iterable

from repoman_tasks.cli.task import Task

__all__ = ["GROUPS", "NAMES", "load"]

_RESERVED = ("exec", "list")
"""Names of Python's own; the function has an underscore more."""

GROUPS = {
    "Begin": ("setup", "new", "adopt"),
    "Work in a container": ("shell", "exec", "start", "stop", "restart"),
    "Look and mirror": ("list", "status", "sync"),
    "Change what a container is": ("update", "trust", "untrust"),
    "End": ("remove",),
    "Besides": ("completion",),
}
"""The commands by what one wants to do."""

NAMES = tuple(sorted(name for names in GROUPS.values() for name in names))


def load(names: Iterable[str] = NAMES) -> list[Task[object]]:
    """The tasks of these names. Only their modules are imported: that is most of the start."""
    return [_load(name) for name in names]


def _load(name: str) -> Task[object]:
    module = importlib.import_module(f"{__name__}.{name}")
    found: Task[object] = getattr(module, f"{name}_" if name in _RESERVED else name)
    return found

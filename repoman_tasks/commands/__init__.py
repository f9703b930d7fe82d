"""What a person types: a file for each subcommand, thin."""

from __future__ import annotations

import importlib
from collections.abc import Iterable

from repoman_tasks.cli.task import Task

__all__ = ["NAMES", "load"]

_RESERVED = ("exec", "list")
"""Names of Python's own; the function has an underscore more."""

NAMES = (
    *("adopt", "completion", "exec", "list", "new", "remove", "restart", "setup", "shell"),
    *("start", "status", "stop", "sync", "trust", "untrust", "update"),
)


def load(names: Iterable[str] = NAMES) -> list[Task[object]]:
    """The tasks of these names. Only their modules are imported: that is most of the start."""
    return [_load(name) for name in names]


def _load(name: str) -> Task[object]:
    module = importlib.import_module(f"{__name__}.{name}")
    found: Task[object] = getattr(module, f"{name}_" if name in _RESERVED else name)
    return found

"""The entry point of `repoman`. It handles Ctrl-C before it imports anything large."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from functools import partial
from types import ModuleType

__all__ = ["main"]

_INTERRUPTED = 130
_UNUSED = ("unittest.mock", "invoke.vendor.yaml")
"""Modules that invoke imports for its `MockContext` and for YAML files. repoman uses neither, and
with asyncio, which unittest.mock imports, they take a third of its start-up time."""


def main() -> None:
    """Run `repoman` and exit with its code."""
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, _leave)
    _program()()


def _program() -> Callable[[], None]:
    """Import and return the program, with empty modules in place of the unused ones."""
    import logging

    absent = [name for name in _UNUSED if name not in sys.modules]
    for name in absent:
        sys.modules[name] = _Empty(name)
    try:
        from repoman_tasks.cli.program import run
        from repoman_tasks.commands import GROUPS, collection, collection_for
    finally:
        for name in absent:
            del sys.modules[name]
    # With --debug, invoke would print the command line, which may contain secrets.
    logging.getLogger("invoke").setLevel(logging.WARNING)
    return partial(run, GROUPS, collection, collection_for)


def _leave(*_: object) -> None:
    """Exit at once: before and after a command there is nothing to undo."""
    os._exit(_INTERRUPTED)


class _Empty(ModuleType):
    """A module in which every name is None."""

    def __getattr__(self, name: str) -> None:
        if name.startswith("__"):
            raise AttributeError(name)

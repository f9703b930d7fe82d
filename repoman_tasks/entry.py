"""Where the `repoman` command begins. It imports nothing of weight before it may be interrupted."""

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
"""What invoke imports for its `MockContext` and for files of YAML. repoman uses neither, and with
asyncio, which comes with the first, they are a third of its start."""


def main() -> None:
    """Run `repoman` and exit with its code."""
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, _leave)
    _program()()


def _program() -> Callable[[], None]:
    """The program; while it is imported, what it has no use for is empty."""
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
    # For --debug invoke would tell every word that was typed, and some of them are secret.
    logging.getLogger("invoke").setLevel(logging.WARNING)
    return partial(run, GROUPS, collection, collection_for)


def _leave(*_: object) -> None:
    """Ctrl-C before or after the work: nothing is to be undone, and a traceback helps nobody."""
    os._exit(_INTERRUPTED)


class _Empty(ModuleType):
    """A module that has every name, so that it can be imported from; none of them is of use."""

    def __getattr__(self, name: str) -> None:
        if name.startswith("__"):
            raise AttributeError(name)

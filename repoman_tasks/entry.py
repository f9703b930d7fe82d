"""The entry points, of `repoman` and of git's helper. They handle Ctrl-C before large imports."""

from __future__ import annotations

import atexit
import contextlib
import gc
import os
import signal
import sys
from collections.abc import Callable, Iterator
from functools import partial
from types import ModuleType

__all__ = ["git_remote", "main"]

_INTERRUPTED = 130
_GIT_PLACES = (
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_DIR",
    "GIT_INDEX_FILE",
    "GIT_NAMESPACE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_PREFIX",
    "GIT_QUARANTINE_PATH",
    "GIT_SHALLOW_FILE",
    "GIT_WORK_TREE",
)
"""Variables that git has in the environment of its hooks: they name its repo, and would count for
each git that repoman runs in another one."""
_UNUSED = ("unittest.mock", "invoke.vendor.yaml")
"""Modules that invoke imports for its `MockContext` and for YAML files. repoman uses neither, and
with asyncio, which unittest.mock imports, they take a third of its start-up time."""


def main() -> None:
    """Run `repoman` and exit with its code."""
    _leave_on_ctrl_c()
    for name in _GIT_PLACES:
        os.environ.pop(name, None)
    _end(_program())


def git_remote() -> None:
    """Run `git-remote-repoman` and exit with its code."""
    _leave_on_ctrl_c()
    with _without_unused():
        from repoman_tasks.git_remote import run
    _end(lambda: sys.exit(run(sys.argv[1:])))


def _program() -> Callable[[], None]:
    """Import and return the program."""
    import logging

    with _without_unused():
        from repoman_tasks.cli.program import run
        from repoman_tasks.commands import GROUPS, collection, collection_for
    # With --debug, invoke would print the command line, which may contain secrets.
    logging.getLogger("invoke").setLevel(logging.WARNING)
    return partial(run, GROUPS, collection, collection_for)


@contextlib.contextmanager
def _without_unused() -> Iterator[None]:
    """Put empty modules in place of the unused ones for as long as the context lasts.

    What is imported meanwhile stays for good: a search for garbage in it takes a tenth of the time.
    """
    gc.disable()
    absent = [name for name in _UNUSED if name not in sys.modules]
    for name in absent:
        sys.modules[name] = _Empty(name)
    try:
        yield
    finally:
        for name in absent:
            del sys.modules[name]
        gc.freeze()
        gc.enable()


def _leave_on_ctrl_c() -> None:
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, _leave)


def _end(run: Callable[[], object]) -> None:
    """Run a program; if it was interrupted, leave once the functions registered with atexit ran.

    If a signal came while a class was made from text, as a dataclass is, `python -m` would
    otherwise end by SIGINT, although the KeyboardInterrupt was caught (run_eval_code_obj in
    pythonrun.c).
    """
    interrupted = False

    def leave() -> None:
        if interrupted:
            for stream in (sys.stdout, sys.stderr):
                with contextlib.suppress(OSError, ValueError):
                    stream.flush()
            _leave()

    atexit.register(leave)  # What is registered first runs last.
    try:
        run()
    except SystemExit as end:
        interrupted = end.code == _INTERRUPTED
        raise


def _leave(*_: object) -> None:
    """Exit at once: before and after a command there is nothing to undo."""
    os._exit(_INTERRUPTED)


class _Empty(ModuleType):
    """A module in which every name is None."""

    def __getattr__(self, name: str) -> None:
        if name.startswith("__"):
            raise AttributeError(name)

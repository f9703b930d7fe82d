"""The `repoman` command: invoke's Program with repoman's own tasks, and with nothing it finds."""

from __future__ import annotations

import os
import sys
from typing import Any

import invoke.config
import invoke.program

from repoman_tasks import __version__
from repoman_tasks.cli.executor import Executor
from repoman_tasks.namespace import commands

__all__ = ["main"]


class _Config(invoke.config.Config):
    """invoke's defaults alone: no file of the person's, the project's or the system's.

    Such a file could be code (invoke.py), and it could name another executor.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs["lazy"] = True
        super().__init__(*args, **kwargs)

    def load_base_conf_files(self) -> None:
        pass

    def load_runtime(self, merge: bool = True) -> None:
        pass

    def load_shell_env(self) -> None:
        pass


class _Program(invoke.program.Program):
    def execute(self) -> None:
        Executor(self.collection, self.config, self.core).execute(*self.tasks)


def main(argv: list[str] | None = None) -> None:
    """Run the `repoman` command and exit with its code."""
    program = _Program(
        name="repoman",
        binary="repoman",
        version=__version__,
        namespace=commands(),
        config_class=_Config,
    )
    program.run(argv if argv is not None else ["repoman", *sys.argv[1:]])
    sys.exit(_flushed())


def _flushed() -> int:
    try:
        sys.stdout.flush()
    except BrokenPipeError:  # the reader has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0

"""Run a command that is killed before a change of the host that a test chooses."""

from __future__ import annotations

import atexit
import multiprocessing
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from repoman_tasks.hosts import digests, local
from tests.support import forkserver, preload
from tests.support.estate import Estate
from tests.support.processes import WAIT_SECONDS

__all__ = ["output_of", "run_killed"]

assert preload  # imports what a command needs, before the first fork
_fork = multiprocessing.get_context("fork")


def run_killed(estate: Estate, *argv: str, killed_at: int = 0, recent: int | None = None) -> int:
    """Run a command, with its streams in files, and return its exit code.

    With `killed_at`, it is killed (-9) before the change with that number, from 1, of the host.
    Changes of the last `recent` seconds count as recent.
    """
    child = _fork.Process(target=_run, args=(estate, argv, killed_at, recent))
    child.start()
    child.join(WAIT_SECONDS)
    assert child.exitcode is not None
    return child.exitcode


def output_of(estate: Estate) -> str:
    """Return the standard output of the last command."""
    return (estate.base / "streams/out").read_text()


def _run(estate: Estate, argv: tuple[str, ...], killed_at: int, recent: int | None) -> None:
    atexit._clear()  # what the tests remove at their end is not this process's to remove
    if recent is not None:
        digests.RECENT_SECONDS = recent
    if killed_at:
        _die_before(killed_at)
    out = estate.base / "streams"
    out.mkdir(exist_ok=True)
    _note_looks(out / "looks")
    (out / "in").touch()
    (out / "out").write_text("")
    (out / "err").write_text("")
    sys.stdout, sys.stderr = open(1, "w", closefd=False), open(2, "w", closefd=False)  # noqa: SIM115
    forkserver._run_as_repoman(list(argv), estate.environ, str(estate.home), str(out))


def _note_looks(file: Path) -> None:
    """Write the repos whose mirrors are compared by listings to `file`, a line each."""
    file.write_text("")
    method = local.LocalHost.submit_differences

    def noted(
        self: local.LocalHost, folders: tuple[str, str], names: Sequence[str], *more: Any
    ) -> Any:
        with file.open("a") as lines:
            lines.writelines(f"{name}\n" for name in names)
        return method(self, folders, names, *more)

    local.LocalHost.submit_differences = noted  # type: ignore[method-assign, assignment]


def _die_before(number: int) -> None:
    """Kill this process before the change of the host with that number."""
    left = number

    def counted(name: str) -> None:
        method = getattr(local.LocalHost, name)

        def changed(*args: object, **options: object) -> object:
            nonlocal left
            left -= 1
            if left == 0:
                os.kill(os.getpid(), 9)
            return method(*args, **options)

        setattr(local.LocalHost, name, changed)

    for name in ("_change", "_write_file", "_stream"):
        counted(name)

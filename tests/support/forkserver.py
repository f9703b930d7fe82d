"""Run `repoman` without starting Python, which takes most of the time of a short command.

A process that has imported all of repoman forks for each run. The child becomes what `python -P -m
repoman_tasks` would be: with the arguments, environment and folder of the run, in a session of its
own, with files as its streams.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

__all__ = ["REPOMAN", "can_fork", "run"]

REPOMAN = (sys.executable, "-P", "-m", "repoman_tasks")
"""The argv that starts it as a user does."""
_NEVER_FORK = os.environ.get("REPOMAN_TEST_NO_FORK") == "1"
"""Read before a fixture isolates the environment."""
_READ_AT_START = ("PYTHON", "LC_", "LANG", "LD_", "COV", "MALLOC_")
"""Prefixes of the variables that act before the first line of repoman."""
_STREAMS = (("in", os.O_RDONLY), ("out", os.O_WRONLY), ("err", os.O_WRONLY))

_forking = multiprocessing.get_context("forkserver")
_forking.set_forkserver_preload(["tests.support.preload"])


def _read_at_start(environ: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environ.items() if name.startswith(_READ_AT_START)}


@functools.cache
def _server_variables() -> dict[str, str]:
    """Return the variables that the forking process was started with, by the first test to run."""
    return _read_at_start(os.environ)


def can_fork(argv: Sequence[str | bytes], environ: Mapping[str, str]) -> bool:
    """Return True if `run` can run `argv`; otherwise it has to be started as a program."""
    is_repoman = tuple(argv[: len(REPOMAN)]) == REPOMAN
    return is_repoman and not _NEVER_FORK and _read_at_start(environ) == _server_variables()


def run(
    argv: Sequence[str | bytes],
    environ: Mapping[str, str],
    cwd: Path | str,
    given: bytes,
    timeout: float,
) -> tuple[int, bytes, bytes]:
    """Run repoman to its end; return its exit status and output. Raise TimeoutExpired as subprocess
    does."""
    arguments = [os.fsdecode(arg) for arg in argv[len(REPOMAN) :]]
    with tempfile.TemporaryDirectory(prefix="fork-", dir="/tmp") as folder:
        for name, text in zip(("in", "out", "err"), (given, b"", b""), strict=True):
            Path(folder, name).write_bytes(text)
        child = _forking.Process(
            target=_run_as_repoman, args=(arguments, dict(environ), str(cwd), folder)
        )
        child.start()
        try:
            child.join(timeout)
            if child.exitcode is None:
                raise subprocess.TimeoutExpired("repoman", timeout)
        except BaseException:
            with contextlib.suppress(ProcessLookupError):  # it has no group yet
                os.killpg(child.pid or 0, signal.SIGKILL)
            child.kill()
            raise
        out, err = (Path(folder, name).read_bytes() for name in ("out", "err"))
        return child.exitcode, out, err


def _run_as_repoman(argv: list[str], environ: dict[str, str], cwd: str, folder: str) -> None:
    os.setsid()
    for number, (name, flags) in enumerate(_STREAMS):
        os.dup2(os.open(f"{folder}/{name}", flags | os.O_APPEND), number)
    os.closerange(len(_STREAMS), os.sysconf("SC_OPEN_MAX"))
    sys.stdin = open(0, closefd=False)  # noqa: SIM115
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environ)
    time.tzset()
    sys.argv[1:] = argv
    try:
        runpy.run_module("repoman_tasks", run_name="__main__", alter_sys=True)
    finally:  # as Python does at its end
        threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()

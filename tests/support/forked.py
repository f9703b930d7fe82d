"""`repoman` without the start of Python, which is most of what a short command takes.

A process that has imported all of repoman forks for each run, and the child becomes what
`python -P -m repoman_tasks` is, to its end: with these words, in this environment and folder, in a
session of its own, with files for its streams.
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

__all__ = ["COLD", "forks", "run"]

COLD = (sys.executable, "-P", "-m", "repoman_tasks")
"""The words that start it as a person does."""
_ALWAYS_COLD = os.environ.get("REPOMAN_TEST_COLD") == "1"
"""Taken before any test's own environment is laid."""
_READ_AT_START = ("PYTHON", "LC_", "LANG", "LD_", "COV", "MALLOC_")
"""How variables begin that act before the first line of repoman."""
_STREAMS = (("in", os.O_RDONLY), ("out", os.O_WRONLY), ("err", os.O_WRONLY))

_forking = multiprocessing.get_context("forkserver")
_forking.set_forkserver_preload(["tests.support.preload"])


def _at_start(environ: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environ.items() if name.startswith(_READ_AT_START)}


@functools.cache
def _ours() -> dict[str, str]:
    """Those of the process that forks: the first test that runs something starts it."""
    return _at_start(os.environ)


def forks(argv: Sequence[str | bytes], environ: Mapping[str, str]) -> bool:
    """Whether `run` may run these words; else they have to be started cold."""
    is_repoman = tuple(argv[: len(COLD)]) == COLD
    return is_repoman and not _ALWAYS_COLD and _at_start(environ) == _ours()


def run(
    argv: Sequence[str | bytes],
    environ: Mapping[str, str],
    cwd: Path | str,
    given: bytes,
    timeout: float,
) -> tuple[int, bytes, bytes]:
    """Run it to its end; its exit status and what it wrote. `TimeoutExpired` as of subprocess."""
    said = [os.fsdecode(word) for word in argv[len(COLD) :]]
    with tempfile.TemporaryDirectory(prefix="warm-", dir="/tmp") as folder:
        for name, text in zip(("in", "out", "err"), (given, b"", b""), strict=True):
            Path(folder, name).write_bytes(text)
        child = _forking.Process(target=_become, args=(said, dict(environ), str(cwd), folder))
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


def _become(argv: list[str], environ: dict[str, str], cwd: str, folder: str) -> None:
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

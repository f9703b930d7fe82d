"""Run `./bootstrap demo` and check its output, with containers or without."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pexpect  # type: ignore[import-untyped]

from tests.support.estate import CHECKOUT, run
from tests.support.processes import find_processes, wait_until
from tests.support.terminals import spawn

__all__ = ["interrupt_demo", "run_demo"]

_DEMO = (sys.executable, "-m", "dev.demo")
_FOLDER = re.compile(r"^~ is (/tmp/repoman-demo-\w+), ", re.MULTILINE)
_MOST_LINES = 64


def run_demo(prefix: Sequence[str], environ: Mapping[str, str]) -> str:
    """Run the demo and return its output, which is short and complete; it leaves nothing behind.

    `prefix` is an argv prefix.
    """
    done = run([*prefix, *_DEMO], environ, cwd=CHECKOUT)
    assert (done.code, done.err) == (0, ""), done
    lines = done.out.splitlines()
    assert len(lines) <= _MOST_LINES, done.out
    assert [line for line in lines if re.search(r"\.git/\S", line)] == []
    for command in ("setup ", "new notes ", "sync --dry-run", "sync", "list"):
        assert f"$ repoman {command}" in done.out
    assert ", 1 deleted, " in done.out
    _is_gone(done.out)
    return done.out


def interrupt_demo(prefix: Sequence[str], environ: Mapping[str, str], at: str) -> None:
    """Press Ctrl-C as soon as the demo has printed `at`; check that it leaves nothing behind."""
    child = spawn([*prefix, *_DEMO], environ, CHECKOUT, columns=200)
    try:
        child.expect_exact(at)
        printed = child.before
        child.sendintr()
        child.expect(pexpect.EOF)
        printed += child.before
    finally:
        child.close()
    assert child.exitstatus == 130, printed
    assert "Traceback" not in printed
    _is_gone(printed.replace("\r", ""))


def _is_gone(printed: str) -> None:
    found = _FOLDER.search(printed)
    assert found, printed
    assert not Path(found[1]).exists()
    wait_until(lambda: find_processes(found[1]) == [])

"""The end of a program that was interrupted."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from repoman_tasks.errors import ExitCode

_PROGRAM = """\
import sys
from repoman_tasks import entry

def run():
    try:
        exec("raise KeyboardInterrupt")
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)

{}
"""


def _end_of(last_line: str, folder: Path) -> subprocess.CompletedProcess[bytes]:
    (folder / "interrupted.py").write_text(_PROGRAM.format(last_line))
    argv = [sys.executable, "-m", "interrupted"]
    return subprocess.run(argv, cwd=folder, capture_output=True, check=False)


def test_an_interrupt_in_code_from_text_ends_it_as_any_other(tmp_path: Path) -> None:
    """Such code makes dataclasses. With -m, Python itself would end by SIGINT: see the control."""
    done = _end_of("entry._program = lambda: run; entry.main()", tmp_path)
    assert (done.returncode, done.stderr) == (ExitCode.INTERRUPTED, b"interrupted\n")


def test_an_interrupt_leaves_nothing_out_that_is_to_run_at_exit(tmp_path: Path) -> None:
    """An ssh that is still connecting is ended there."""
    before = "import atexit; atexit.register(print, 'ended'); run()"
    done = _end_of(f"entry._program = lambda: lambda: exec({before!r}); entry.main()", tmp_path)
    assert (done.returncode, done.stdout) == (ExitCode.INTERRUPTED, b"ended\n")


@pytest.mark.skipif(
    sys.version_info[:2] != (3, 11), reason="not here: later ones may end otherwise"
)
def test_python_itself_ends_by_the_signal(tmp_path: Path) -> None:
    assert _end_of("run()", tmp_path).returncode == -2

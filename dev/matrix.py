"""Run the unit tests under every supported Python that is installed."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from dev.checkout import ROOT, checkout_argv
from repoman_tasks.session import Session

__all__ = ["VERSIONS", "run_matrix"]

VERSIONS = ("3.11", "3.12", "3.13", "3.14", "3.15")
_ABLE = "import ensurepip, venv, sys; print('%d.%d' % sys.version_info[:2])"
_SECONDS = 900


def run_matrix(session: Session) -> int:
    """Test with each version and print which are missing; return 1 if a test failed."""
    results = {version: _test(session, version) for version in VERSIONS}
    session.screen.line()
    for version, result in results.items():
        session.screen.line(f"Python {version}: {result}")
    return int("failed" in results.values() or set(results.values()) == {"not here"})


def _test(session: Session, version: str) -> str:
    python = _find(session, version)
    if not python:
        return "not here"
    session.screen.line(f"=== Python {version}, {python} ===")
    sys.stdout.flush()
    venv = ROOT / "build" / f"matrix-{version}"
    mine = str(venv / "bin/python")
    pip = [mine, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    for argv in ([python, "-m", "venv", str(venv)], [*pip, "--editable", ".[dev]"]):
        done = session.host.change(checkout_argv(argv), timeout=_SECONDS)
        if done.code:
            session.screen.line(done.complaint)
            return "failed"
    tests = [mine, "-m", "pytest", "tests/unit", "-q", "-n", "auto", "-p", "no:cacheprovider"]
    return "failed" if session.host.hand_over(checkout_argv(tests)) else "passed"


def _find(session: Session, version: str) -> str:
    """Return the first Python of that version that can create an environment, "" if none."""
    for name in _candidates(version):
        found = session.host.read([name, "-c", _ABLE])
        if not found.code and found.text.strip() == version:
            return name
    return ""


def _candidates(version: str) -> Iterator[str]:
    """Yield the candidates on PATH and of pyenv."""
    found = shutil.which(f"python{version}")
    if found:
        yield found
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    yield from (
        str(path) for path in sorted(pyenv.glob(f"versions/{version}*/bin/python{version}"))
    )

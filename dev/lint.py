"""Run the linters."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from dev.checkout import checkout_argv, in_ci
from repoman_tasks.session import Session

__all__ = ["Check", "run_checks"]

_SCRIPTS = (
    "bootstrap",
    ".ci/run",
    "repoman_tasks/completions/repoman.bash",
    "repoman_tasks/guard/git.sh",
    "dev/packages/unpack.sh",
)
_CHECKERS = (
    ("ruff", "check", "."),
    ("ruff", "format", "--check", "."),
    ("mypy",),  # what it looks at stands in pyproject.toml
)


@dataclass(frozen=True)
class Check:
    """The result of one linter; `missing` is its package if it is not installed."""

    name: str
    failed: bool
    missing: str = ""


def run_checks(session: Session, start: Callable[[Sequence[str]], int]) -> list[Check]:
    """Run all linters by `start`, which returns the exit status."""

    def run(*argv: str, module: bool = True) -> Check:
        session.screen.line(f"$ {' '.join(argv)}")
        sys.stdout.flush()
        python = [sys.executable, "-m"] if module else []
        return Check(" ".join(argv[:2]), failed=start(checkout_argv([*python, *argv])) != 0)

    checks = [run(*argv) for argv in _CHECKERS]
    if shutil.which("shellcheck"):
        return [*checks, run("shellcheck", *_SCRIPTS, module=False)]
    session.screen.note("shellcheck is not installed: the scripts were not checked")
    return [*checks, Check("shellcheck", failed=in_ci(), missing="shellcheck")]

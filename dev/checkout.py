"""The checkout that the chores work in, and the environment of what they run."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

__all__ = ["ROOT", "SYSTEM_PATH", "checkout_argv", "in_ci"]

ROOT = Path(__file__).resolve().parents[1]
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/usr/libexec/incus"


def checkout_argv(argv: Sequence[str], **environ: str) -> list[str]:
    """Return the argv that runs `argv` in the checkout, with this Python's folder first on PATH.

    Folders of servers are added, which a user's PATH may lack.
    """
    path = f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}:{SYSTEM_PATH}"
    values = {"PATH": path, **environ}
    return ["env", "-C", str(ROOT), *(f"{key}={value}" for key, value in values.items()), *argv]


def in_ci() -> bool:
    """Return True in CI, where a check that can't run counts as a failure."""
    return os.environ.get("CI", "") == "true"

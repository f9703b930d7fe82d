"""Where the chores work: the checkout, with the programs of its .venv."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

__all__ = ["ROOT", "SYSTEM_PATH", "here", "in_ci"]

ROOT = Path(__file__).resolve().parents[1]
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/usr/libexec/incus"


def here(argv: Sequence[str], **environ: str) -> list[str]:
    """`argv`, to run in the checkout, with the programs of this Python's environment first.

    Servers are found too, which a user's own PATH may leave out.
    """
    path = f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}:{SYSTEM_PATH}"
    values = {"PATH": path, **environ}
    return ["env", "-C", str(ROOT), *(f"{key}={value}" for key, value in values.items()), *argv]


def in_ci() -> bool:
    """Whether nobody is there to look: what could not be checked is a failure then."""
    return os.environ.get("CI", "") == "true"

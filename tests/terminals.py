"""Programs on a real terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pexpect  # type: ignore[import-untyped]

__all__ = ["spawn"]


def spawn(
    words: Sequence[str],
    environ: Mapping[str, str],
    cwd: Path,
    *,
    columns: int = 80,
    **variables: str,
) -> pexpect.spawn[str]:
    """Start a program on a terminal of 24 lines; the caller closes it.

    `variables` come before `environ`.
    """
    child: pexpect.spawn[str] = pexpect.spawn(
        words[0],
        list(words[1:]),
        env={**environ, "TERM": "xterm-256color", **variables},
        cwd=str(cwd),
        dimensions=(24, columns),
        encoding="utf-8",
        timeout=20,
    )
    child.delaybeforesend = None
    return child

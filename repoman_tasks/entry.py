"""Where the `repoman` command begins. It imports nothing of weight before it may be interrupted."""

from __future__ import annotations

import os
import signal

__all__ = ["main"]

_INTERRUPTED = 130


def main() -> None:
    """Run `repoman` and exit with its code."""
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, _leave)
    from repoman_tasks.cli.program import run

    run()


def _leave(*_: object) -> None:
    """Ctrl-C before or after the work: nothing is to be undone, and a traceback helps nobody."""
    os._exit(_INTERRUPTED)

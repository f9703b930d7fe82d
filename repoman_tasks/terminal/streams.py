"""Standard input, output and error in whatever state a command finds them.

A reader that has gone (`| head`), a full disk behind `>`, or a closed stream must neither
end the work nor show a traceback.
"""

from __future__ import annotations

import contextlib
import os
import select
import sys
from collections.abc import Iterator
from typing import Any, TextIO, cast

__all__ = ["abandon_output", "finish_output", "open_streams"]


_INTERRUPTED = 130


def open_streams() -> None:
    """Make all three usable. Do this before any file is opened: one would take a free number."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number, which is this one
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, "r" if number == 0 else "w", closefd=False))
    if hasattr(sys.stdout, "reconfigure"):  # a name may have letters that the locale has not
        sys.stdout.reconfigure(errors="replace")
    for name in ("stdout", "stderr"):
        if not isinstance(getattr(sys, name), _Forgiving):
            setattr(sys, name, cast("TextIO", _Forgiving(getattr(sys, name))))


def abandon_output() -> None:
    """Let what is still held back vanish: whoever should read it may never do so."""
    if isinstance(sys.stdout, _Forgiving):
        sys.stdout.abandon()


def finish_output(code: int) -> int:
    """Get out what is still held back, and return the exit code.

    That is `code`, or 1 where the output could not be written.
    """
    if code == _INTERRUPTED and not select.select([], [sys.stdout.fileno()], [], 0.2)[1]:
        abandon_output()
    sys.stdout.flush()
    if isinstance(sys.stdout, _Forgiving) and sys.stdout.lost is not None:
        reason = (sys.stdout.lost.strerror or str(sys.stdout.lost)).lower()
        print(f"repoman: standard output can't be written: {reason}", file=sys.stderr)
        sys.stdout.lost, code = None, 1
    sys.stderr.flush()
    return code


class _Forgiving:
    """A stream into which what can't be written vanishes. `lost` is why, unless a reader left."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.lost: OSError | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write what can be written."""
        with self._forgiven():
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Flush what can be flushed."""
        with self._forgiven():
            self._stream.flush()

    @contextlib.contextmanager
    def _forgiven(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if not isinstance(error, BrokenPipeError):
                self.lost = self.lost or error
            self.abandon()

    def abandon(self) -> None:
        """Let what is held back, and all that follows, vanish."""
        with contextlib.suppress(OSError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)

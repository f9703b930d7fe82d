"""Standard input, output and error, whatever state the caller left them in.

A reader that exits (`| head`), a full disk behind `>`, or a closed stream must neither stop a
command midway nor show a traceback.
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
    """Make all three usable. Call it before a file is opened, which could get number 0, 1 or 2."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest free number: this one
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, "r" if number == 0 else "w", closefd=False))
    if hasattr(sys.stdout, "reconfigure"):  # names may not be encodable in the locale
        sys.stdout.reconfigure(errors="replace")
    for name in ("stdout", "stderr"):
        if not isinstance(getattr(sys, name), _Forgiving):
            setattr(sys, name, cast("TextIO", _Forgiving(getattr(sys, name))))


def abandon_output() -> None:
    """Discard buffered output: its reader may never read it."""
    if isinstance(sys.stdout, _Forgiving):
        sys.stdout.abandon()


def finish_output(code: int) -> int:
    """Flush the output and return the exit code: `code`, or 1 if output could not be written."""
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
    """A stream that discards what can't be written; `lost` is the error, unless a reader exited."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.lost: OSError | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write `text`, or discard it if that fails."""
        with self._forgiven():
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Flush, or discard the buffer if that fails."""
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
        """Discard the buffer and all further output."""
        with contextlib.suppress(OSError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)

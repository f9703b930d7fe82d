"""The errors that end a command, each kind with its exit code.

The codes are part of the interface and listed in docs/exit-codes.md. An error is one line: what
happened, to what, and how to fix it.
"""

from __future__ import annotations

import re
from enum import IntEnum

__all__ = [
    "Busy",
    "ExitCode",
    "Failed",
    "Interrupted",
    "Refused",
    "RepomanError",
    "TargetUnusable",
    "UsageError",
    "code_of",
    "internal_error",
    "one_line",
    "with_host_option",
]


class ExitCode(IntEnum):
    """The exit codes of every command, on this host and by --host."""

    OK = 0
    FAILED = 1
    USAGE = 2
    UNHEALTHY = 3
    SOME_FAILED = 4
    TARGET = 5
    REFUSED = 6
    INTERRUPTED = 130


def one_line(text: str) -> str:
    """Return `text` without a character that would break or repaint a terminal line."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def internal_error(error: BaseException) -> str:
    """Return the one-line message for an unexpected exception: a bug in repoman."""
    return one_line(f"an error in repoman itself, {type(error).__name__}: {error}")


_COMMAND = re.compile(r"`(repoman \w[^`]*?)((?: -- [^`]*)?)`")
"""A command in a message, and the argv after its `--`."""


def with_host_option(host: str, text: str) -> str:
    """Return `text` with `--host HOST` added to each command in it; unchanged for this host."""
    if not host:
        return text
    return _COMMAND.sub(lambda found: f"`{found[1]} --host {host}{found[2]}`", text)


class RepomanError(Exception):
    """An error with a message for the person: `what` happened, and the `cure`."""

    code: ExitCode = ExitCode.FAILED
    where: str = ""
    """The host on which it happened, "" for this one."""

    def __init__(self, what: str, cure: str = "") -> None:
        super().__init__(what, cure)
        self.what = what
        self.cure = cure

    def __str__(self) -> str:
        where = f"{self.where}: " if self.where else ""
        text = f"{self.what}: {self.cure}" if self.cure else self.what
        return one_line(where + with_host_option(self.where, text))


class Failed(RepomanError):
    """An operation failed."""


class UsageError(RepomanError):
    """Invalid arguments or configuration; nothing was changed."""

    code = ExitCode.USAGE


class Busy(RepomanError):
    """Another process holds the lock."""

    code = ExitCode.SOME_FAILED


class TargetUnusable(RepomanError):
    """The backup share can't be used; nothing was written to it."""

    code = ExitCode.TARGET


class Refused(RepomanError):
    """Refused: going on could lose data or weaken the isolation of containers."""

    code = ExitCode.REFUSED


class Interrupted(RepomanError):
    """Interrupted by a person or by a signal."""

    code = ExitCode.INTERRUPTED


def code_of(error: BaseException) -> int:
    """Return the exit code of a command that ends with `error`, invoke's Exit included."""
    if isinstance(error, KeyboardInterrupt):
        return int(ExitCode.INTERRUPTED)
    code = getattr(error, "code", None)
    return int(code) if isinstance(code, int) else int(ExitCode.FAILED)

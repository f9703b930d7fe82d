"""What can go wrong, and the exit code that each kind of it has.

The codes are part of the interface and listed in docs/exit-codes.md. An error is one
line: what happened, to what, and what to do about it.
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
    """The exit status of every command, locally and remotely."""

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
    """What is said of an error that repoman did not expect, in one line."""
    return one_line(f"an error in repoman itself, {type(error).__name__}: {error}")


_COMMAND = re.compile(r"`(repoman \w[^`]*?)((?: -- [^`]*)?)`")
"""A command that is told to be typed, and the words that it would run."""


def with_host_option(host: str, text: str) -> str:
    """`text` with the commands that it tells to type meant for `host`; empty is this one."""
    if not host:
        return text
    return _COMMAND.sub(lambda found: f"`{found[1]} --host {host}{found[2]}`", text)


class RepomanError(Exception):
    """An end of the command that a person can understand.

    `what` says what happened and to what, `cure` what to do about it.
    """

    code: ExitCode = ExitCode.FAILED
    where: str = ""
    """The host that it happened on, if that is another one."""

    def __init__(self, what: str, cure: str = "") -> None:
        super().__init__(what, cure)
        self.what = what
        self.cure = cure

    def __str__(self) -> str:
        where = f"{self.where}: " if self.where else ""
        text = f"{self.what}: {self.cure}" if self.cure else self.what
        return one_line(where + with_host_option(self.where, text))


class Failed(RepomanError):
    """Something was tried and did not succeed."""


class UsageError(RepomanError):
    """The words or the configuration are off; nothing was done."""

    code = ExitCode.USAGE


class Busy(RepomanError):
    """Somebody else is at it."""

    code = ExitCode.SOME_FAILED


class TargetUnusable(RepomanError):
    """The backup target is not what it has to be; nothing was written to it."""

    code = ExitCode.TARGET


class Refused(RepomanError):
    """Going on could lose something or let something in."""

    code = ExitCode.REFUSED


class Interrupted(RepomanError):
    """A person or the system asked to stop."""

    code = ExitCode.INTERRUPTED


def code_of(error: BaseException) -> int:
    """The exit code of a command that `error` ends; invoke's own end has one too."""
    if isinstance(error, KeyboardInterrupt):
        return int(ExitCode.INTERRUPTED)
    code = getattr(error, "code", None)
    return int(code) if isinstance(code, int) else int(ExitCode.FAILED)

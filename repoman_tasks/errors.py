"""The errors that end a command, each kind with its exit code.

The codes are part of the interface and listed in docs/exit-codes.md. An error is one line: what
happened, to what, and how to fix it.
"""

from __future__ import annotations

import re
import shlex
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
    "quoted",
    "with_host_option",
    "without_backticks",
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
    if text.isprintable():  # as nearly all are
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def without_backticks(text: str) -> str:
    """Return `text` of another program, unable to look like one of the commands of a cure."""
    return text.replace("`", r"\x60")


def quoted(*argv: str) -> str:
    """Return `argv` as a part of a command line in a message, which may be pasted into a shell.

    A word with a backtick, which would end the command in the message, or with a character that
    `one_line` changes, is written in ASCII as a $'…' string of bash and zsh.
    """
    return " ".join(map(_quoted_word, argv))


def _quoted_word(word: str) -> str:
    if word.isprintable() and "`" not in word:
        return shlex.quote(word)
    data = word.encode(errors="surrogateescape")
    special = b"\\'`"
    text = "".join(chr(c) if 32 <= c < 127 and c not in special else f"\\x{c:02x}" for c in data)
    return f"$'{text}'"


def internal_error(error: BaseException) -> str:
    """Return the one-line message for an unexpected exception: a bug in repoman."""
    return one_line(f"an error in repoman itself, {type(error).__name__}: {error}")


_COMMAND = re.compile(r"`(repoman \w[^`]*?)((?: -- [^`]*)?)`")
"""A command in a message, and the argv after its `--`."""


def with_host_option(host: str, text: str) -> str:
    """Return `text` with `--host HOST` added to each command in it; unchanged for this host."""
    if not host:
        return text
    return _COMMAND.sub(lambda found: f"`{found[1]} --host {quoted(host)}{found[2]}`", text)


class RepomanError(Exception):
    """An error with a message for the person: `what` happened, and the `cure`.

    Only a cure has commands in backticks; names in `what` may be of anybody's choice.
    """

    code: ExitCode = ExitCode.FAILED
    where: str = ""
    """The host on which it happened, "" for this one."""

    def __init__(self, what: str, cure: str = "") -> None:
        super().__init__(what, cure)
        self.what = without_backticks(what)
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

"""The log of changes that REPOMAN_LOG names: a line of JSON for each, in a file on this host.

docs/automation.md has its format; `planning.log_events` leaves out what could hold a secret.
"""

from __future__ import annotations

import errno
import json
import os
import stat
import sys
import threading
from collections.abc import Mapping
from typing import Any

from repoman_tasks.errors import UsageError, code_of, one_line
from repoman_tasks.hosts.base import Argv, Observer
from repoman_tasks.planning.names import absolute
from repoman_tasks.session import utc_now

__all__ = ["Journal"]

VARIABLE = "REPOMAN_LOG"
SCHEMA = 1


class Journal:
    """The log of one run of one command, as a context manager.

    Nothing is written until something changes; then a line for the run, one for each change, and
    at the end one with the exit code. A line is a single append, so that lines of several
    processes do not mix.
    """

    def __init__(
        self, command: str, arguments: Mapping[str, Any], common: Mapping[str, Any] | None = None
    ) -> None:
        """Open the log. Raise UsageError if REPOMAN_LOG is set and can't be written.

        Of `arguments`, those of the command, and `common`, those of all commands, only the names
        are logged, and the project; they are read at the first change.
        """
        self._path, self._fd = _opened(os.environ)
        self._run = os.urandom(4).hex()
        self._command = command
        self._arguments = arguments
        self._common = common or {}
        self._begun = False
        self._code: int | None = None
        self._writing = threading.Lock()

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        code = code_of(error) if error is not None else self._code
        if self._begun:
            self._write({"event": "end", "exit": code})
        if self._fd is not None:
            os.close(self._fd)

    def ended(self, code: int) -> int:
        """Record the exit code and return it."""
        self._code = code
        return code

    def observer(self, host: str) -> Observer:
        """Return the observer that logs changes on the host called `host`, "" for this one."""
        return (
            _HostObserver(self, host or os.uname().nodename) if self._fd is not None else Observer()
        )

    def log(self, event: Mapping[str, Any]) -> None:
        """Log one change."""
        with self._writing:
            if not self._begun:
                self._begun = True
                self._write({"event": "begin", **self._call()})
            self._write(event)

    def _call(self) -> dict[str, Any]:
        given = {**self._arguments, **self._common}
        flags = sorted(name for name, value in given.items() if value and name != "name")
        name = given.get("name")
        return {
            "command": self._command,
            "project": (" ".join(name) if isinstance(name, list) else name) or None,
            "flags": [flag.replace("_", "-") for flag in flags],
        }

    def _write(self, event: Mapping[str, Any]) -> None:
        if self._fd is None:
            return
        head = {"schema": SCHEMA, "time": utc_now(), "run": self._run}
        try:
            line = f"{json.dumps({**head, **event})}\n".encode()
            if os.write(self._fd, line) < len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            what = f"{self._path} can't be written: {_reason(error)}"
            print(one_line(f"{what}: logging stops here"), file=sys.stderr)
            os.close(self._fd)
            self._fd = None


class _HostObserver(Observer):
    """Logs the changes on one host."""

    def __init__(self, journal: Journal, host: str) -> None:
        self._journal = journal
        self._host = host

    def ran(self, argv: Argv, code: int | None) -> None:
        from repoman_tasks.planning.log_events import loggable_program

        told = loggable_program(tuple(argv))
        if told is not None:
            kind = "incus" if "method" in told else "program"
            self._journal.log({"event": kind, "host": self._host, **told, "exit": code})

    def wrote(self, path: str) -> None:
        self._journal.log({"event": "file", "host": self._host, "path": path})

    def did(self, told: Mapping[str, str]) -> None:
        self._journal.log({"event": "step", "host": self._host, **told})


def _opened(environ: Mapping[str, str]) -> tuple[str, int | None]:
    """Open the log that the environment names; return its path and descriptor, None if none."""
    if not environ.get(VARIABLE):
        return "", None
    path = absolute(environ[VARIABLE], os.path.expanduser("~"))
    # Non-blocking: opening a FIFO would wait for a reader.
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK
    try:
        fd = os.open(path, flags, 0o600)
    except OSError as error:
        raise UsageError(f"{VARIABLE}: {path} can't be written", _reason(error)) from None
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise UsageError(
            f"{VARIABLE}: {path} is not a regular file", "name a regular file or a new one"
        )
    return path, fd


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()

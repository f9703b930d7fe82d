"""Find out why a login shell on the remote host does not start repoman's shell.

A start-up file may start another shell, read standard input, or redirect standard output; then
nothing answers, and nothing says why. If that takes long, a second session whose standard input is
empty shows what happens.
"""

from __future__ import annotations

import contextlib
import secrets
import time

from repoman_tasks.errors import Failed
from repoman_tasks.hosts.processes import deadline_check
from repoman_tasks.hosts.ssh import connection_errors
from repoman_tasks.hosts.ssh.scripts import shell_command
from repoman_tasks.hosts.ssh.transport import (
    ConnectionLost,
    RemoteProcess,
    SSHTransport,
    TooManySessions,
)

__all__ = ["StartUpCheck"]

_PATIENCE_SECONDS = 6.0
"""Time that start-up files may take before the second session."""
_GRACE_SECONDS = 2.0
"""Time that the first session has after the second one has ended."""
_MOST_BYTES = 64 << 10
"""Limit of what is kept of the second session."""


class StartUpCheck:
    """A check, called while the first answer of a host is waited for."""

    def __init__(self, transport: SSHTransport, name: str, seconds: float) -> None:
        """`name` is that of the host; raise TimedOut after `seconds`."""
        self._transport = transport
        self._in_time = deadline_check(name, seconds)
        self._next = time.monotonic() + _PATIENCE_SECONDS
        self._token = secrets.token_hex(16)
        self._probe: RemoteProcess | None = None
        self._data = (bytearray(), bytearray())
        self._reason: Failed | None = None

    def __call__(self) -> None:
        """Raise Failed if there will be no answer, and TimedOut if it takes too long."""
        self._in_time()
        if self._probe is not None and self._reason is None:
            self._look(self._probe)
        elif time.monotonic() > self._next:
            self._go_on()

    def close(self) -> None:
        """End the second session."""
        if self._probe is not None:
            self._probe.close()

    def _go_on(self) -> None:
        if self._reason is not None:
            raise self._reason
        self._next = float("inf")
        command = shell_command(f"echo {self._token}; echo {self._token} >&2")
        with contextlib.suppress(ConnectionLost, TooManySessions):
            self._probe = self._transport.start_silent(command)
            self._probe.end_input()

    def _look(self, probe: RemoteProcess) -> None:
        try:
            for data, more in zip(self._data, probe.receive(0), strict=True):
                data += more
                del data[:-_MOST_BYTES]
        except (ConnectionLost, TooManySessions):
            self._reason = self._find_reason()
            self._next = time.monotonic() + _GRACE_SECONDS

    def _find_reason(self) -> Failed:
        token = self._token.encode()
        out, err = (token in data for data in self._data)
        if out:
            return connection_errors.reads_input()
        if err:
            return connection_errors.redirects_output()
        return connection_errors.not_started(self._transport.typed, bytes(self._data[1]))

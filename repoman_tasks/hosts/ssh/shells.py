"""POSIX shells on the remote host: each runs one request after the other."""

from __future__ import annotations

import contextlib
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Sequence

from repoman_tasks.errors import Failed
from repoman_tasks.hosts.base import MAX_BYTES, Sink
from repoman_tasks.hosts.processes import cut_lines, waits
from repoman_tasks.hosts.ssh.answers import Answer
from repoman_tasks.hosts.ssh.connection_errors import too_many
from repoman_tasks.hosts.ssh.scripts import (
    first_script,
    request,
    shell_command,
    shell_script,
    split_answer,
)
from repoman_tasks.hosts.ssh.transport import SSHTransport, TooManySessions

__all__ = ["Check", "Shell", "Shells"]

_POLL_SECONDS = 0.1
_MOST = 8
"""Limit of shells. sshd allows ten sessions in a connection (MaxSessions in sshd_config(5)); the
holder shell and a program with the terminal need one each."""
_END_SECONDS = 60.0
"""Time that sshd gets to see that a shell has ended, where it allows no other before."""
_MOST_AT_LOGIN = 8 << 20
"""Limit of what start-up files print, and of the registry that follows, in bytes."""
_LONGEST_END = 200
"""Most bytes of a line that ends an answer."""

Check = Callable[[], None]


class Shell:
    """A POSIX shell on the remote host."""

    def __init__(self, line: SSHTransport, *, first: bool = False) -> None:
        self.token = secrets.token_hex(16)
        self._mark = self.token.encode()
        self._data = (bytearray(), bytearray())
        self._ready = False
        self._partial = 0
        self._typed = line.typed
        begin = first_script(self.token) if first else shell_script(self.token)
        self._wire = (line.start_silent if first else line.start)(shell_command(begin))

    def ask(self, function: str, *words: str, check: Check = lambda: None) -> Answer:
        """Call a function of the shell; `check` is called while waiting and may raise."""
        (answer,) = self.ask_all([(function, *words)], lambda _: check)
        return answer

    def ask_all(
        self, calls: Sequence[Sequence[str]], check_of: Callable[[int], Check]
    ) -> Iterator[Answer]:
        """Call functions one after the other and yield the answers, all of which must be taken.

        `check_of` returns the check for a call by its index, when it is waited for.
        """
        self.send(*calls)
        self.await_ready(check_of(0))
        for place in range(len(calls)):
            yield self.answer(check_of(place))

    def complaint(self) -> bytes:
        """Return what has come on standard error since the last answer."""
        return bytes(self._data[1])

    def first_answer(self, check: Check) -> Answer:
        """Wait for the answer that follows what start-up files print; see `answer`."""
        return self.answer(check, _MOST_AT_LOGIN)

    def answer(self, check: Check = lambda: None, max_bytes: int = MAX_BYTES) -> Answer:
        """Wait for the next answer and return it. Raise Failed beyond `max_bytes`."""
        found: list[tuple[bytes, str, int] | None] = [None, None]
        seen = [0, 0]
        while None in found:
            for n, data in enumerate(self._data):
                found[n] = found[n] or split_answer(self._mark, data, seen[n])
                seen[n] = max(0, len(data) - _LONGEST_END)
            if None in found:
                parts = zip(self._data, found, strict=True)
                self._partial = sum(len(data) for data, whole in parts if whole is None)
                check()
                if self._partial > max_bytes or sum(map(len, self._data)) > 2 * MAX_BYTES:
                    raise _too_long(max_bytes, self._typed)
                self._receive()
        waits.end()
        (out, end, after_out), (err, _, after_err) = (part for part in found if part)
        del self._data[0][:after_out], self._data[1][:after_err]
        return Answer(end, out, err)

    def follow(
        self,
        function: str,
        *words: str,
        out: Sink,
        err: Sink,
        check: Check,
        told: Callable[[str], None],
    ) -> str:
        """Call a function and pass on its lines as they come; return the end of its answer.

        `told` receives the PID that the shell reports meanwhile.
        """
        self.send((function, *words))
        self.await_ready(check)
        ends: list[str | None] = [None, None]
        while None in ends:
            for n, sink in enumerate((out, err)):
                for line in cut_lines(self._data[n]):
                    if not line.startswith(self._mark):
                        sink(line)
                    elif n == 0 and line.startswith(self._mark + b" pid "):
                        told(line.split()[-1].decode())
                    else:
                        ends[n] = line[len(self._mark) :].decode().strip()
            if None in ends:
                self._receive()
                check()
        return ends[0] or ""

    def size(self) -> int:
        """Return the bytes of the incomplete answer."""
        return self._partial

    def close(self) -> None:
        """End the shell and its programs."""
        self._wire.close()

    def send(self, *calls: Sequence[str]) -> None:
        """Call functions one after the other; an answer of each must be taken."""
        try:
            data = request(*calls)
        except ValueError as error:
            raise Failed(f"{calls[0][1]} could not be started", str(error)) from None
        self._wire.send(data)

    def await_ready(self, check: Check) -> None:
        """Skip what start-up files print before the shell is ready."""
        if not self._ready:
            self.first_answer(check)
            self._ready = True

    def _receive(self) -> None:
        for data, more in zip(self._data, self._wire.receive(_POLL_SECONDS), strict=True):
            data += more


def _too_long(max_bytes: int, typed: str) -> Failed:
    what = f"its shell printed more than {max_bytes >> 20} MiB and no answer"
    return Failed(what, f"look what `ssh {typed} true` prints")


class Shells:
    """The shells of a connection; free ones are used again."""

    def __init__(self, line: SSHTransport) -> None:
        self._transport = line
        self._free: list[Shell] = []
        self._open: set[Shell] = set()
        self._streams = 0
        self._ending = 0.0
        """Time until which sshd may not have seen the end of a shell."""
        self._lock = threading.Condition()

    def add(self, shell: Shell) -> None:
        """Add a free shell."""
        self._free.append(shell)
        self._open.add(shell)

    @contextlib.contextmanager
    def one(self, *, streams: bool = False, nested: bool = False) -> Iterator[Shell]:
        """Lend a shell to the caller; end it if the caller raises.

        With `streams`, the caller may keep it for long; of several such, the last shell is lent to
        none, so that they can ask questions meanwhile. One who does is `nested`: raise
        TooManySessions where sshd allows no other shell than those that stream.
        """
        shell = self._take(streams=streams, nested=nested)
        try:
            yield shell
        except BaseException:
            self._end(shell)
            raise
        else:
            with self._lock:
                self._free.append(shell)
        finally:
            with self._lock:
                self._streams -= streams
                self._lock.notify_all()

    def aside(self) -> Shell:
        """Return a shell beyond the limit; end a free one if the server allows no more."""
        while True:
            try:
                shell = Shell(self._transport)
                self._ending = 0.0  # it has the place of the one that ended
                return shell
            except TooManySessions:
                with self._lock:
                    if not self._free:
                        raise
                    spare = self._free.pop()
                self._end(spare)
                time.sleep(_POLL_SECONDS)  # until sshd has seen it end

    def _end(self, shell: Shell) -> None:
        shell.close()
        with self._lock:
            self._open.discard(shell)
            self._ending = time.monotonic() + _END_SECONDS
            self._lock.notify()

    def _take(self, *, streams: bool, nested: bool) -> Shell:
        with self._lock:
            while True:
                if self._make_room(streams=streams) and self._free:
                    self._streams += streams
                    return self._free.pop()
                ended = time.monotonic() > self._ending
                if (not self._open and ended) or (nested and self._streams >= len(self._open)):
                    raise too_many()
                self._lock.wait(1.0 if self._open else _POLL_SECONDS)

    def _make_room(self, *, streams: bool) -> bool:
        """Open a shell if none is free. Return False if the next stream would leave none."""
        if streams and self._streams:
            while len(self._open) - self._streams < 2:
                if not self._open_another():
                    return False
        return bool(self._free) or self._open_another()

    def _open_another(self) -> bool:
        if len(self._open) >= _MOST:
            return False
        try:
            shell = Shell(self._transport)
        except TooManySessions:
            return False
        self.add(shell)
        return True

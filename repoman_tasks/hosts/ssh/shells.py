"""Shells on the other side: each does one thing after the other, several of them side by side."""

from __future__ import annotations

import contextlib
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Sequence

from repoman_tasks.errors import Failed
from repoman_tasks.hosts.base import Sink
from repoman_tasks.hosts.processes import cut_lines
from repoman_tasks.hosts.ssh.answers import Answer
from repoman_tasks.hosts.ssh.scripts import entrance, opening, prelude, request, split_answer
from repoman_tasks.hosts.ssh.transport import Line, TooMany

__all__ = ["Check", "Shell", "Shells"]

_POLL_SECONDS = 0.1
_MOST = 8
"""Shells at once. sshd allows ten sessions in one connection (MaxSessions in sshd_config(5)); what
is held, and a program with the terminal, have one each."""
_LONGEST_END = 200
"""Bytes of a line that ends an answer, at most."""

Check = Callable[[], None]


class Shell:
    """A POSIX shell on the other side."""

    def __init__(self, line: Line, *, first: bool = False) -> None:
        self.token = secrets.token_hex(16)
        self._mark = self.token.encode()
        self._data = (bytearray(), bytearray())
        self._ready = False
        self._partial = 0
        begin = opening(self.token) if first else prelude(self.token)
        self._wire = line.start(entrance(begin))

    def ask(self, function: str, *words: str, check: Check = lambda: None) -> Answer:
        """Call a function of the shell; `check` is called all the while and may raise."""
        (answer,) = self.ask_all([(function, *words)], lambda _: check)
        return answer

    def ask_all(
        self, calls: Sequence[Sequence[str]], check_of: Callable[[int], Check]
    ) -> Iterator[Answer]:
        """Call functions one after the other; their answers, all of which have to be taken.

        `check_of` gives the check for a call, by its place, when its turn has come.
        """
        self.send(*calls)
        self.await_ready(check_of(0))
        for place in range(len(calls)):
            yield self.answer(check_of(place))

    def answer(self, check: Check = lambda: None) -> Answer:
        """The next whole answer."""
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
                self._receive()
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
        """Call a function and hand on the lines that it writes as they come; how it ended.

        `told` gets what the shell itself says meanwhile.
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
        """Bytes of an answer that is not whole yet."""
        return self._partial

    def close(self) -> None:
        """End the shell, and what it runs."""
        self._wire.close()

    def send(self, *calls: Sequence[str]) -> None:
        """Call functions one after the other, of each of which an answer is to be taken."""
        try:
            data = request(*calls)
        except ValueError as error:
            raise Failed(f"{calls[0][1]} could not be started", str(error)) from None
        self._wire.send(data)

    def await_ready(self, check: Check) -> None:
        """Pass over what the person's start-up files print before the shell is there."""
        if not self._ready:
            self.answer(check)
            self._ready = True

    def _receive(self) -> None:
        for data, more in zip(self._data, self._wire.receive(_POLL_SECONDS), strict=True):
            data += more


class Shells:
    """The shells of a connection: one that is free is used again."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._free: list[Shell] = []
        self._open: set[Shell] = set()
        self._lock = threading.Condition()

    def add(self, shell: Shell) -> None:
        """Take one in that is free."""
        self._free.append(shell)
        self._open.add(shell)

    @contextlib.contextmanager
    def one(self) -> Iterator[Shell]:
        """A shell for the caller alone. It is ended where the caller does not come to an end."""
        shell = self._take()
        try:
            yield shell
        except BaseException:
            self._end(shell)
            raise
        with self._lock:
            self._free.append(shell)
            self._lock.notify()

    def aside(self) -> Shell:
        """A shell beside those that are counted. One that is free makes room for it."""
        while True:
            try:
                return Shell(self._line)
            except TooMany:
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
            self._lock.notify()

    def _take(self) -> Shell:
        with self._lock:
            while True:
                if self._free:
                    return self._free.pop()
                if len(self._open) < _MOST:
                    try:
                        shell = Shell(self._line)
                    except TooMany:
                        if not self._open:
                            raise
                    else:
                        self._open.add(shell)
                        return shell
                self._lock.wait(1.0)

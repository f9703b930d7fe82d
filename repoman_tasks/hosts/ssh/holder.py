"""The shell on the remote host that holds locks and folders, and runs programs in parallel."""

from __future__ import annotations

import contextlib
import itertools
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence

from repoman_tasks.errors import Failed
from repoman_tasks.hosts.base import Argv
from repoman_tasks.hosts.processes import deadline_check
from repoman_tasks.hosts.ssh.answers import Answer, malformed
from repoman_tasks.hosts.ssh.shells import Check, Shell
from repoman_tasks.hosts.ssh.transport import ConnectionLost
from repoman_tasks.late_dataclass import dataclass

__all__ = ["HolderAnswer", "HolderShell"]

_SECONDS = 60.0
_MOST_BYTES = 1 << 20
"""Limit of an answer; the shell prints 2 KiB at most."""


@dataclass(frozen=True)
class HolderAnswer:
    """The answer to a request to hold, or to look at, something."""

    word: str
    """`held`, or why it is not; `looked` for a program."""
    pid: str
    """The PID of the process that holds it."""
    answer: Answer

    @property
    def held(self) -> bool:
        """Return True if it is held."""
        return self.word == "held"


class HolderShell:
    """A shell that starts a process for each lock, folder and program; they end with it.

    It waits for none of them, so one that blocks does not block the others. Answers come in any
    order, each with the number of its request.
    """

    def __init__(self, start: Callable[[], Shell]) -> None:
        self._start = start
        self._shell: Shell | None = None
        self._coming: threading.Thread | None = None
        self._turn = threading.RLock()
        self._numbers = map(str, itertools.count())
        self._came: dict[str, HolderAnswer] = {}
        self._leaving: set[str] = set()
        """Requests that are not waited for any more; if they succeed, they are released."""

    def prepare(self) -> None:
        """Start the shell in the background."""
        self._coming = threading.Thread(target=self._try_to_start, daemon=True)
        self._coming.start()

    def ask(self, *calls: Argv, check: Check | None = None) -> list[HolderAnswer]:
        """Call functions of the shell, each of which starts a process; return the answers."""
        with self._turn:
            return self.answers(self.send(*calls), check)

    def send(self, *calls: Argv) -> list[str]:
        """Call functions without waiting; return the numbers to pass to `answers`."""
        with self._turn, self._unbroken():
            shell = self._opened()
            numbers = [next(self._numbers) for _ in calls]
            shell.send(*([call[0], n, *call[1:]] for call, n in zip(calls, numbers, strict=True)))
        return numbers

    def answers(self, numbers: Sequence[str], check: Check | None = None) -> list[HolderAnswer]:
        """Wait for these answers; `check` is called meanwhile and may raise."""
        check = check or deadline_check("flock", _SECONDS)
        with self._turn:
            try:
                while not self._came.keys() >= set(numbers):
                    self._take(check)
            except BaseException:
                self.leave(numbers)
                raise
            return [self._came.pop(number) for number in numbers]

    def let_go(self, *pids: str) -> None:
        """Release what these processes hold, before any later request."""
        with contextlib.suppress(ConnectionLost):  # the connection's end has released it
            self._leaving.update(self.send(["drop", *pids]))

    def free(self, *pids: str) -> None:
        """Release what these processes hold, and wait until that is done."""
        with contextlib.suppress(Failed):
            self.ask(["drop", *pids])

    def leave(self, numbers: Iterable[str]) -> None:
        """Do not wait for these answers; release what they hold."""
        with self._turn:
            for number in numbers:
                kept = self._came.pop(number, None)
                if kept is None:
                    self._leaving.add(number)
                elif kept.held:
                    self.let_go(kept.pid)

    def _take(self, check: Check) -> None:
        """Wait for the next answer."""
        with self._unbroken():
            shell = self._opened()
            shell.await_ready(check)
            answer = shell.answer(check, _MOST_BYTES)
        try:
            number, word, pid = answer.end.split()
        except ValueError:
            raise malformed() from None
        self._came[number] = HolderAnswer(word, pid, answer)
        if number in self._leaving:
            self._leaving.discard(number)
            self.leave([number])

    def _opened(self) -> Shell:
        if self._coming is not None:
            self._coming.join()
            self._coming = None
        if self._shell is None:
            self._shell = self._start()
        return self._shell

    def _try_to_start(self) -> None:
        with contextlib.suppress(Exception):  # the next request tries again, and raises
            self._shell = self._start()

    @contextlib.contextmanager
    def _unbroken(self) -> Iterator[None]:
        """Discard the shell if the connection breaks."""
        try:
            yield
        except ConnectionLost:
            self._shell = None
            self._leaving.clear()
            raise

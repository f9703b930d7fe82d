"""What is held on the other side, locks and folders that are to stay mounted, and what runs beside
everything else there."""

from __future__ import annotations

import contextlib
import itertools
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from repoman_tasks.errors import Failed
from repoman_tasks.hosts.base import Argv
from repoman_tasks.hosts.processes import within
from repoman_tasks.hosts.ssh.answers import Answer
from repoman_tasks.hosts.ssh.shells import Check, Shell
from repoman_tasks.hosts.ssh.transport import Lost

__all__ = ["Keeper", "Kept"]

_SECONDS = 60.0


@dataclass(frozen=True)
class Kept:
    """What came of a request to hold something, or to look at something."""

    word: str
    """`held`; else why it is not. Of a look `looked`."""
    pid: str
    """The process that holds it."""
    answer: Answer

    @property
    def held(self) -> bool:
        """Whether it is held now."""
        return self.word == "held"


class Keeper:
    """A shell that holds locks and folders, each by a process of its own that ends with it.

    It waits for none of them, so nothing that gets stuck takes the others along. Its answers come
    in any order, each with the number of its question.
    """

    def __init__(self, start: Callable[[], Shell]) -> None:
        self._start = start
        self._shell: Shell | None = None
        self._coming: threading.Thread | None = None
        self._turn = threading.RLock()
        self._numbers = map(str, itertools.count())
        self._came: dict[str, Kept] = {}
        self._leaving: set[str] = set()
        """Questions whose answer nobody waits for: what it holds all the same is let go."""

    def prepare(self) -> None:
        """Start the shell while other things go on."""
        self._coming = threading.Thread(target=self._try_to_start, daemon=True)
        self._coming.start()

    def ask(self, *calls: Argv, check: Check | None = None) -> list[Kept]:
        """Call functions of the shell, each of which starts a process; what came of each."""
        with self._turn:
            return self.answers(self.send(*calls), check)

    def send(self, *calls: Argv) -> list[str]:
        """Begin the same; the numbers by which `answers` brings what came of it."""
        with self._turn, self._unbroken():
            shell = self._opened()
            numbers = [next(self._numbers) for _ in calls]
            shell.send(*([call[0], n, *call[1:]] for call, n in zip(calls, numbers, strict=True)))
        return numbers

    def answers(self, numbers: Sequence[str], check: Check | None = None) -> list[Kept]:
        """What came of these questions; `check` is called all the while and may raise."""
        check = check or within("flock", _SECONDS)
        with self._turn:
            try:
                while not self._came.keys() >= set(numbers):
                    self._take(check)
            except BaseException:
                self.leave(numbers)
                raise
            return [self._came.pop(number) for number in numbers]

    def let_go(self, *pids: str) -> None:
        """Let go of what these processes hold, before anything else that is asked for."""
        with contextlib.suppress(Lost):  # it went with the connection
            self._leaving.update(self.send(["drop", *pids]))

    def free(self, *pids: str) -> None:
        """The same, and wait until it is done: whoever waits may have it from then on."""
        with contextlib.suppress(Failed):
            self.ask(["drop", *pids])

    def leave(self, numbers: Iterable[str]) -> None:
        """Nobody waits for the answers to these questions any more."""
        with self._turn:
            for number in numbers:
                kept = self._came.pop(number, None)
                if kept is None:
                    self._leaving.add(number)
                elif kept.held:
                    self.let_go(kept.pid)

    def _take(self, check: Check) -> None:
        """Take the next answer."""
        with self._unbroken():
            shell = self._opened()
            shell.await_ready(check)
            answer = shell.answer(check)
        number, word, pid = answer.end.split()
        self._came[number] = Kept(word, pid, answer)
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
        with contextlib.suppress(Exception):  # whoever needs it tries again, and tells
            self._shell = self._start()

    @contextlib.contextmanager
    def _unbroken(self) -> Iterator[None]:
        """What was asked of a shell that broke has no answer."""
        try:
            yield
        except Lost:
            self._shell = None
            self._leaving.clear()
            raise

"""Several questions in one round trip."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TypeVar

from repoman_tasks.errors import Failed
from repoman_tasks.hosts.base import Argv, Entry, Host, Pin, Result, Together
from repoman_tasks.hosts.ssh.answers import (
    Answer,
    Call,
    content_argv,
    content_of,
    entries_argv,
    entries_of,
    folders_of,
    result_of,
)

__all__ = ["AtOnce"]

T = TypeVar("T")
RunAll = Callable[[Sequence[Call], float], Sequence[Answer | Failed]]
"""Takes calls of a shell's functions and the seconds for each; gives an answer for each."""


class AtOnce(Together):
    """Questions that go over the line together, once the first answer is wanted."""

    def __init__(self, host: Host, timeout: float, run_all: RunAll) -> None:
        super().__init__(host, timeout)
        self._run_all = run_all
        self._calls: list[Call] = []
        self._answers: Sequence[Answer | Failed] = ()

    def read(self, argv: Argv) -> Callable[[], Result]:
        return self._later(["run", *argv], partial(result_of, argv))

    def read_file(self, path: str) -> Callable[[], bytes | None]:
        result = self.read(content_argv(path))
        return lambda: content_of(path, result())

    def real(self, pin: Pin) -> Callable[[], str]:
        result = self.read(["readlink", "-n", pin.path])
        return lambda: result().text

    def real_folder(self, path: str) -> Callable[[], str | None]:
        return self._later(["folders", path], lambda answer: folders_of([path], answer)[0])

    def walk(
        self, root: str, *, prune: frozenset[bytes] = frozenset()
    ) -> Callable[[], Iterator[Entry]]:
        result = self.read(entries_argv(root, prune))
        return lambda: entries_of(root, result())

    def _later(self, call: Argv, meant: Callable[[Answer], T]) -> Callable[[], T]:
        number = len(self._calls)
        self._calls.append(tuple(call))

        def bring() -> T:
            if not self._answers:
                self._answers = self._run_all(self._calls, self._timeout)
            answer = self._answers[number]
            if isinstance(answer, Failed):
                raise answer
            return meant(answer)

        return bring

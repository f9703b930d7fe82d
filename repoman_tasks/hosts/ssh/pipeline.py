"""Questions that are submitted one by one, and asked in one round trip once an answer is needed."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Event

from repoman_tasks.errors import Failed, Interrupted
from repoman_tasks.hosts.base import MOST_BYTES
from repoman_tasks.hosts.processes import within
from repoman_tasks.hosts.ssh.answers import Answer, Call
from repoman_tasks.hosts.ssh.shells import Check, Shell, Shells
from repoman_tasks.hosts.ssh.transport import Lost, TooMany

__all__ = ["Pipeline", "Question", "stoppable"]


@dataclass(eq=False)
class Question:
    """A call of a shell's function, its limits, and what came of it."""

    call: Call
    seconds: float
    most: int = MOST_BYTES
    stoppable: bool = False
    answer: Answer | Failed | None = None

    def too_long(self) -> Failed:
        """Return what is raised if more than `most` bytes come."""
        return Failed(f"{self.call[1]} said more than {self.most} bytes", "it was ended")


class Pipeline:
    """What one thread has submitted.

    Nothing is written to a shell that has not answered yet, by which it tells whether the
    connection is there. So whatever is waiting goes over in one piece, and all answers are taken
    before the shell is used again. A question that nobody holds any more is not asked.
    """

    def __init__(self, shells: Shells, stopping: Event) -> None:
        self._shells = shells
        self._stopping = stopping
        self._waiting: list[weakref.ref[Question]] = []
        self._turn = threading.RLock()

    def submit(self, question: Question) -> Question:
        """Have the question asked along with the next one whose answer is needed."""
        if any("\0" in word for word in question.call):  # it alone fails, not those beside it
            what = f"{question.call[1]} could not be started"
            question.answer = Failed(what, "embedded null byte")
        else:
            with self._turn:
                self._waiting.append(weakref.ref(question))
        return question

    def answer(self, question: Question) -> Answer:
        """Wait for the answer, or raise why there is none."""
        with self._turn:
            while question.answer is None:  # one that fails keeps those behind it for the next time
                self._ask()
        if isinstance(question.answer, Failed):
            raise question.answer
        if len(question.answer.out) + len(question.answer.err) > question.most:
            raise question.too_long()
        return question.answer

    def _ask(self) -> None:
        """Ask all that is waiting."""
        held = [question for ref in self._waiting if (question := ref()) is not None]
        try:
            with self._shells.one() as shell:
                answers = shell.ask_all([q.call for q in held], self._checks(shell, held))
                for question, answer in zip(held, answers, strict=True):
                    question.answer = answer
        except Failed as problem:
            left = [question for question in held if question.answer is None]
            for question in left if isinstance(problem, Lost | TooMany) else left[:1]:
                question.answer = problem
        finally:
            self._waiting = [weakref.ref(q) for q in held if q.answer is None]

    def _checks(self, shell: Shell, held: Sequence[Question]) -> Callable[[int], Check]:
        """Return what gives the check of a question, by its place, when its turn has come."""

        def check_of(place: int) -> Check:
            question = held[place]
            in_time = within(question.call[1], question.seconds)

            def check() -> None:
                in_time()
                if shell.size() > question.most:
                    raise question.too_long()

            return stoppable(self._stopping, check) if question.stoppable else check

        return check_of


def stoppable(stopping: Event, check: Check) -> Check:
    """Return a check that raises `Interrupted` too, when `stopping` is set."""

    def checked() -> None:
        if stopping.is_set():
            raise Interrupted("interrupted")
        check()

    return checked

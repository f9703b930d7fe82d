"""A pipeline: questions submitted one by one, sent in one round trip when an answer is needed."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Sequence
from threading import Event

from repoman_tasks.errors import Failed, Interrupted
from repoman_tasks.hosts.base import MAX_BYTES
from repoman_tasks.hosts.processes import deadline_check
from repoman_tasks.hosts.ssh.answers import Answer, Call
from repoman_tasks.hosts.ssh.shells import Check, Shell, Shells
from repoman_tasks.hosts.ssh.transport import ConnectionLost, TooManySessions
from repoman_tasks.late_dataclass import dataclass

__all__ = ["Pipeline", "Question", "stopped_check"]


@dataclass(eq=False)
class Question:
    """A call of a shell function, its limits, and its answer."""

    call: Call
    seconds: float
    max_bytes: int = MAX_BYTES
    stoppable: bool = False
    answer: Answer | Failed | None = None

    def too_long(self) -> Failed:
        """Return the error for an answer of more than `max_bytes` bytes."""
        return Failed(f"{self.call[1]} printed more than {self.max_bytes} bytes", "it was killed")


class Pipeline:
    """The questions that one thread has submitted.

    Nothing may be sent to a shell before it has answered, because it notices the connection's end
    by that. So all waiting questions are sent at once, and all answers are read before the shell
    is used again. A question whose future was dropped is not sent.
    """

    def __init__(self, shells: Shells, stopping: Event) -> None:
        self._shells = shells
        self._stopping = stopping
        self._waiting: list[weakref.ref[Question]] = []
        self._turn = threading.RLock()

    def submit(self, question: Question) -> Question:
        """Queue the question; it is sent with the next one whose answer is needed."""
        if any("\0" in word for word in question.call):  # fails alone, without the others
            what = f"{question.call[1]} could not be started"
            question.answer = Failed(what, "embedded null byte")
        else:
            with self._turn:
                self._waiting.append(weakref.ref(question))
        return question

    def answer(self, question: Question) -> Answer:
        """Wait for the answer and return it, or raise its error."""
        with self._turn:
            while question.answer is None:  # a failure leaves the later ones queued
                self._ask()
        if isinstance(question.answer, Failed):
            raise question.answer
        if len(question.answer.out) + len(question.answer.err) > question.max_bytes:
            raise question.too_long()
        return question.answer

    def _ask(self) -> None:
        """Send all queued questions and read the answers."""
        held = [question for ref in self._waiting if (question := ref()) is not None]
        try:
            with self._shells.one() as shell:
                answers = shell.ask_all([q.call for q in held], self._checks(shell, held))
                for question, answer in zip(held, answers, strict=True):
                    question.answer = answer
        except Failed as problem:
            left = [question for question in held if question.answer is None]
            for question in (
                left if isinstance(problem, ConnectionLost | TooManySessions) else left[:1]
            ):
                question.answer = problem
        finally:
            self._waiting = [weakref.ref(q) for q in held if q.answer is None]

    def _checks(self, shell: Shell, held: Sequence[Question]) -> Callable[[int], Check]:
        """Return a function that returns the check of a question, by its index."""

        def check_of(place: int) -> Check:
            question = held[place]
            in_time = deadline_check(question.call[1], question.seconds)

            def check() -> None:
                in_time()
                if shell.size() > question.max_bytes:
                    raise question.too_long()

            return stopped_check(self._stopping, check) if question.stoppable else check

        return check_of


def stopped_check(stopping: Event, check: Check) -> Check:
    """Return `check`, which also raises Interrupted if `stopping` is set."""

    def checked() -> None:
        if stopping.is_set():
            raise Interrupted("interrupted")
        check()

    return checked

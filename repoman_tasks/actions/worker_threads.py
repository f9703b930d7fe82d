"""Threads that change several projects at the same time.

Only the main thread prints and prompts: what a thread has to say is recorded, and shown in the
order of the projects once it has ended. A question is asked as it comes, one at a time.
"""

from __future__ import annotations

import contextlib
import queue
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial

from repoman_tasks.errors import Interrupted, RepomanError
from repoman_tasks.hosts.signals import defer_signals
from repoman_tasks.session import Session
from repoman_tasks.terminal.prompter import RelayedPrompter
from repoman_tasks.terminal.screen import Recorder, Screen

__all__ = ["change_at_once"]

_AT_ONCE = 4
"""Projects at the same time: each has some programs, and over SSH a channel of its own."""
_POLL_SECONDS = 0.1
_DONE = "done: "
"""Begins the line of a step."""


class _Worker:
    """The change of one project, in a thread."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.screen = Recorder()
        self.ended = False
        self.problem: RepomanError | None = None

    def run(self, session: Session, change: Callable[[Session, str], None]) -> None:
        """Call `change`; keep its error, if it is one of repoman's."""
        try:
            with session.stack:
                if session.host.stopping.is_set():
                    raise Interrupted("interrupted")
                change(session, self.name)
        except RepomanError as problem:
            self.problem = problem

    def show(self, screen: Screen, *, stopped: bool = False) -> None:
        """Print what was recorded since the last call: the notes, and all steps in one line.

        Then print the error, if there is one; that of an interrupted one only if `stopped`.
        """
        for note in self.screen.notes:
            screen.note(note)
        lines = ["".join(text for text, _ in line.pieces) for line in self.screen.lines]
        if len(lines) > 1:
            steps = "; ".join(line.removeprefix(_DONE) for line in lines)
            lines = [f"{_DONE if lines[0].startswith(_DONE) else ''}{steps}"]
        for line in lines:
            screen.line(line)
        self.screen.notes.clear()
        self.screen.lines.clear()
        if self.problem is not None and (stopped or not isinstance(self.problem, Interrupted)):
            screen.note(f"{self.name}: {self.problem}")


class _Workers:
    """All threads, and the calls that they have for the main thread."""

    def __init__(self, session: Session, names: Sequence[str]) -> None:
        self._session = session
        self._calls: queue.Queue[Callable[[], None]] = queue.Queue()
        self._workers = [_Worker(name) for name in names]
        self._left = list(self._workers)
        """Those of which not everything has been shown, in order."""
        self._futures: list[Future[None]] = []
        self._stopped = False

    def start(self, pool: ThreadPoolExecutor, change: Callable[[Session, str], None]) -> None:
        """Hand out all workers."""
        for worker in self._workers:
            prompter = RelayedPrompter(self._session.prompter, partial(self._relay, worker))
            session = self._session.beside(worker.screen, prompter)
            future = pool.submit(worker.run, session, change)
            future.add_done_callback(partial(self._end, worker))
            self._futures.append(future)

    def _end(self, worker: _Worker, _: Future[None]) -> None:
        def note() -> None:
            worker.ended = True

        self._calls.put(note)

    def _relay(self, worker: _Worker, ask: Callable[[], str]) -> str:
        """Have the main thread show what a worker has to say, and ask; return the answer."""
        answer: Future[str] = Future()

        def call() -> None:
            if self._stopped:
                answer.set_exception(Interrupted("interrupted"))
                return
            worker.show(self._session.screen)
            try:
                answer.set_result(ask())
            except RepomanError as problem:
                answer.set_exception(problem)
            except BaseException:
                answer.set_exception(Interrupted("interrupted"))
                raise

        self._calls.put(call)
        return answer.result()

    def serve(self) -> None:
        """Show, prompt and wait until all have ended."""
        screen, count = self._session.screen, len(self._workers)
        while self._left:
            screen.show_status(f"{count - len(self._left)} of {count} done")
            call = self._next_call()
            screen.show_status("")
            call()
            while self._left and self._left[0].ended:
                self._left.pop(0).show(screen)
            if any(isinstance(worker.problem, Interrupted) for worker in self._workers):
                self.cancel()

    def _next_call(self) -> Callable[[], None]:
        """Wait for the next call; a signal that comes just before the wait is not missed."""
        while True:
            with contextlib.suppress(queue.Empty):
                return self._calls.get(timeout=_POLL_SECONDS)

    def cancel(self) -> None:
        """Begin no more of them."""
        for future in self._futures:
            future.cancel()

    def stop(self) -> None:
        """Stop all that run, wait for them, and show what they did."""
        with defer_signals():
            self.cancel()
            self._stopped = True
            self._session.host.stopping.set()
            while not all(future.done() for future in self._futures):
                with contextlib.suppress(queue.Empty):
                    self._calls.get(timeout=_POLL_SECONDS)()
            for worker in self._left:
                worker.show(self._session.screen, stopped=True)

    def failed(self) -> list[str]:
        """Return the names of those that failed; raise what was no error of repoman's."""
        for worker, future in zip(self._workers, self._futures, strict=True):
            if isinstance(worker.problem, Interrupted):
                raise worker.problem
            if not future.cancelled():
                future.result()
        return [worker.name for worker in self._workers if worker.problem is not None]


def change_at_once(
    session: Session, names: Sequence[str], change: Callable[[Session, str], None]
) -> list[str]:
    """Call `change` with each of `names`, several at a time; return those for which it failed.

    A signal, or a prompt that is answered with no, begins no more of them; the signal also stops
    those that run.
    """
    session.show_equivalent()
    session.screen.listen(None)
    workers = _Workers(session, names)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        try:
            with defer_signals():  # so that none begins unknown
                workers.start(pool, change)
            workers.serve()
        except BaseException:
            workers.stop()
            raise
    return workers.failed()

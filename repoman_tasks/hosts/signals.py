"""Ctrl-C and its kin: taken as one exception, and held back where half a step would be worse."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType

__all__ = ["defer_resizes", "defer_signals", "take_signals", "wait_for_line"]

_WANTED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextlib.contextmanager
def take_signals() -> Iterator[None]:
    """While this holds, Ctrl-C, SIGTERM and SIGHUP interrupt what is being done.

    Which of them it was is the argument of the `KeyboardInterrupt`.
    """

    def interrupt(number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt(number)

    numbers = [n for n in _WANTED if signal.getsignal(n) is not signal.SIG_IGN]
    before = {number: signal.signal(number, interrupt) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def defer_signals() -> Iterator[None]:
    """While this holds, no signal interrupts; one that came meanwhile does so at the end.

    For a step of moments that must not be torn, and for undoing one. Signals reach the main
    thread only, so in any other this does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []

    def remember(number: int, _frame: FrameType | None) -> None:
        came.append(number)

    numbers = [n for n in _WANTED if callable(signal.getsignal(n))]
    before = {number: signal.signal(number, remember) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if came:
        raise KeyboardInterrupt(came[0])


@contextlib.contextmanager
def defer_resizes() -> Iterator[Callable[[float], bool]]:
    """While this holds, a new size of the terminal waits until somebody asks for it.

    What it gives waits up to so many seconds and says whether there is one.
    """
    resize = {signal.SIGWINCH}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, resize)
    try:
        yield lambda seconds: signal.sigtimedwait(resize, seconds) is not None
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def wait_for_line(terminal: int) -> None:
    """Wait until a line can be read from the file of that number, a terminal.

    A read that waits would miss a signal that comes just before it; this one ends by it.
    """
    woken, waker = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    before = signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
    try:
        while terminal not in select.select([terminal, woken], [], [])[0]:
            with contextlib.suppress(BlockingIOError):
                os.read(woken, 64)
    finally:
        signal.set_wakeup_fd(before)
        os.close(woken)
        os.close(waker)

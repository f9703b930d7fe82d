"""Handle Ctrl-C, SIGTERM and SIGHUP: raise one exception, or defer it during critical steps."""

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
def take_signals(*, once: bool = False) -> Iterator[None]:
    """Raise KeyboardInterrupt on Ctrl-C, SIGTERM and SIGHUP; its argument is the signal.

    With `once`, ignore those after the first, so that none cuts the tidying up short.
    """

    def interrupt(number: int, _frame: FrameType | None) -> None:
        for each in numbers if once else ():
            signal.signal(each, lambda *_: None)
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
    """Defer signals until the context ends; then the first one is handled.

    For short steps that must not be interrupted midway, and for undoing. Signals are delivered
    to the main thread only, so this does nothing in others.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[signal.Signals] = []

    def remember(number: int, _frame: FrameType | None) -> None:
        came.append(signal.Signals(number))

    numbers = [n for n in _WANTED if callable(signal.getsignal(n))]
    before = {number: signal.signal(number, remember) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if came and callable(handler := before[came[0]]):
        handler(came[0], None)


@contextlib.contextmanager
def defer_resizes() -> Iterator[Callable[[float], bool]]:
    """Defer SIGWINCH; yield a function that waits for it and returns if it came.

    Its argument is the time limit in seconds.
    """
    resize = {signal.SIGWINCH}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, resize)
    try:
        yield lambda seconds: signal.sigtimedwait(resize, seconds) is not None
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def wait_for_line(terminal: int) -> None:
    """Wait until a line can be read from the file descriptor `terminal`.

    Unlike a blocking read, it returns for a signal that arrives just before it waits.
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

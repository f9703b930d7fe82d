"""One task again and again, in the same place on the terminal, until a person has seen enough."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

from repoman_tasks.cli.several_hosts import HostOutput, ask_all, show_all
from repoman_tasks.errors import UsageError
from repoman_tasks.hosts.signals import defer_resizes
from repoman_tasks.planning.text.layout import FAINT, Cell, fit_lines
from repoman_tasks.terminal.prompter import Prompter
from repoman_tasks.terminal.screen import Canvas, Screen

__all__ = ["check_watch", "watch"]


class On(Protocol):
    """Runs the task on the host of that name; its exit code. Without `prompter` nobody is asked."""

    def __call__(self, name: str, screen: Screen, prompter: Prompter = ...) -> int: ...


_SECONDS = 5
"""Between two looks, where nothing else is wished."""
_BEGIN, _END = "\x1b[?1049h", "\x1b[?1049l"
"""To the terminal's other screen, and back to what was there before."""


def check_watch(
    watched: bool, interval: int | None, arguments: Mapping[str, Any], fitting: Sequence[str]
) -> int:
    """Seconds between two looks, 0 where one is enough.

    `arguments` are the task's own, of which `fitting` go together with a watch. `UsageError`
    where that can't be.
    """
    if interval is not None and not watched:
        raise UsageError("--interval is for --watch", "add that")
    if not watched:
        return 0
    if interval is not None and interval < 1:
        raise UsageError(f"--interval {interval}", "it has to be at least 1")
    odd = next((name for name, value in arguments.items() if value and name not in fitting), "")
    if odd:
        raise UsageError("--watch only looks", f"leave out --{odd.replace('_', '-')}")
    if not Screen().live or os.environ.get("TERM", "dumb") == "dumb":
        raise UsageError("--watch needs a terminal, where it can redraw", "leave it out")
    return interval or _SECONDS


def watch(names: Sequence[str], on: On, prompter: Prompter, seconds: int) -> int:
    """Show what the task says of each host until Ctrl-C, which is its ordinary end.

    Where the first look brings nothing there is no watch: it ends as the task itself would.
    """
    if len(names) == 1:
        outputs = [HostOutput(names[0])]
        outputs[0].code = on(names[0], outputs[0].screen, prompter)
    else:
        outputs = ask_all(names, on)
    if all(output.error for output in outputs):
        return show_all(Screen(), outputs)
    try:
        with _other_screen():
            while True:
                _show_for(seconds, outputs)
                outputs = ask_all(names, on)
    except KeyboardInterrupt as end:
        if end.args in ((), (signal.SIGINT,)):
            return 0
        raise


@contextlib.contextmanager
def _other_screen() -> Iterator[None]:
    _put(_BEGIN)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):  # where the terminal is gone
            _put(_END)


def _show_for(seconds: int, outputs: Sequence[HostOutput]) -> None:
    """Show it for so long, anew where the terminal gets another size."""
    at = time.strftime("%H:%M:%S")
    head = Cell(f"{at}, every {seconds} s, Ctrl-C ends it", FAINT)
    deadline = time.monotonic() + seconds
    with defer_resizes() as resized_within:
        while True:
            _draw(head, outputs)
            if not resized_within(max(0.0, deadline - time.monotonic())):
                return


def _draw(head: Cell, outputs: Sequence[HostOutput]) -> None:
    """Put it over what is there: nothing is wiped before, so that nothing flickers."""
    size = shutil.get_terminal_size()
    canvas = Canvas(size.columns)
    canvas.line(head)
    if len(outputs) == 1:
        outputs[0].show(canvas)
    else:
        show_all(canvas, outputs)
    lines = fit_lines(canvas.lines, size.lines)
    # A line that is too wide all the same is cut by the terminal, which would go on below.
    shown = "\r\n".join(f"{line}\x1b[K" for line in lines)
    _put(f"\x1b[?7l\x1b[H{shown}\x1b[J\x1b[?7h")


def _put(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()

"""Repeating a task and redrawing its output in place, for --watch."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

from repoman_tasks.cli.several_hosts import HostOutput, run_on_all, show_outputs
from repoman_tasks.errors import UsageError
from repoman_tasks.hosts.signals import defer_resizes
from repoman_tasks.planning.prompts import option_name
from repoman_tasks.planning.text.layout import FAINT, Cell, fit_lines
from repoman_tasks.terminal.prompter import Prompter
from repoman_tasks.terminal.screen import Canvas, Screen

__all__ = ["check_watch", "watch"]


class RunOnHost(Protocol):
    """A function that runs a task on the host called `name` and returns the exit code.

    Without `prompter` the task must not prompt.
    """

    def __call__(self, name: str, screen: Screen, prompter: Prompter = ...) -> int: ...


_DEFAULT_INTERVAL = 5
"""Seconds between two updates."""
_TO_ALTERNATE_SCREEN, _TO_MAIN_SCREEN = "\x1b[?1049h", "\x1b[?1049l"


def check_watch(
    watched: bool, interval: int | None, arguments: Mapping[str, Any], allowed: Sequence[str]
) -> int:
    """Return the seconds between two updates, 0 without --watch.

    `allowed` are the names of those `arguments` that can be combined with --watch. Raise
    UsageError if others are set, or if the terminal can't redraw.
    """
    if interval is not None and not watched:
        raise UsageError("--interval needs --watch", "add --watch")
    if not watched:
        return 0
    if interval is not None and interval < 1:
        raise UsageError(f"--interval {interval}", "must be at least 1")
    conflicts = [name for name, value in arguments.items() if value and name not in allowed]
    if conflicts:
        option = f"--{option_name(conflicts[0])}"
        raise UsageError(f"--watch and {option} can't be combined", f"leave out {option}")
    if not Screen().live or os.environ.get("TERM", "dumb") == "dumb":
        raise UsageError("--watch needs a terminal that it can redraw", "leave it out")
    return interval or _DEFAULT_INTERVAL


def watch(names: Sequence[str], run: RunOnHost, prompter: Prompter, seconds: int) -> int:
    """Run the task on each host every `seconds`, and redraw the output, until Ctrl-C.

    Return the exit code: 0 after Ctrl-C, or that of the first run if it failed on all hosts.
    The first run may prompt if there is one host, for example for a password.
    """
    if len(names) == 1:
        outputs = [HostOutput(names[0])]
        with Screen().telling_waits():
            outputs[0].code = run(names[0], outputs[0].screen, prompter)
    else:
        outputs = run_on_all(names, run, Screen().show_wait)
    if all(output.error for output in outputs):
        return show_outputs(Screen(), outputs)
    try:
        with _alternate_screen():
            while True:
                _show_for(seconds, outputs)
                outputs = run_on_all(names, run)
    except KeyboardInterrupt as interrupt:
        if interrupt.args in ((), (signal.SIGINT,)):
            return 0
        raise


@contextlib.contextmanager
def _alternate_screen() -> Iterator[None]:
    _write(_TO_ALTERNATE_SCREEN)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):  # the terminal may be closed
            _write(_TO_MAIN_SCREEN)


def _show_for(seconds: int, outputs: Sequence[HostOutput]) -> None:
    """Show the outputs for `seconds`; redraw them if the terminal is resized."""
    clock = time.strftime("%H:%M:%S")
    header = Cell(f"{clock}, every {seconds} s, Ctrl-C to exit", FAINT)
    deadline = time.monotonic() + seconds
    with defer_resizes() as resized_within:
        while True:
            _draw(header, outputs)
            if not resized_within(max(0.0, deadline - time.monotonic())):
                return


def _draw(header: Cell, outputs: Sequence[HostOutput]) -> None:
    """Draw over the previous output; clearing the screen first would flicker."""
    size = shutil.get_terminal_size()
    canvas = Canvas(size.columns)
    canvas.line(header)
    if len(outputs) == 1:
        outputs[0].show(canvas)
    else:
        show_outputs(canvas, outputs)
    lines = fit_lines(canvas.lines, size.lines)
    # Without line wrap (?7l), which would push lines out at the bottom if a line is too wide.
    shown = "\r\n".join(f"{line}\x1b[K" for line in lines)
    _write(f"\x1b[?7l\x1b[H{shown}\x1b[J\x1b[?7h")


def _write(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()

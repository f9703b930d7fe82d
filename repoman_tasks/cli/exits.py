"""Turning errors into one line on stderr and an exit code."""

from __future__ import annotations

import contextlib
import sys
import traceback
from collections.abc import Iterator

from invoke.exceptions import Exit

from repoman_tasks.errors import ExitCode, RepomanError, internal_error
from repoman_tasks.terminal.streams import abandon_output

__all__ = ["exit_on_error"]


@contextlib.contextmanager
def exit_on_error(*, debug: bool) -> Iterator[None]:
    """Raise invoke's `Exit`, with a message and a code, for every error inside the context.

    If `debug`, print the traceback first.
    """
    try:
        yield
    except Exit:
        raise
    except RepomanError as error:
        _print_traceback(enabled=debug)
        raise Exit(f"repoman: {error}", int(error.code)) from None
    except KeyboardInterrupt:
        _print_traceback(enabled=debug)
        abandon_output()
        raise Exit("repoman: interrupted", int(ExitCode.INTERRUPTED)) from None
    except Exception as error:
        _print_traceback(enabled=debug)
        cure = "run it again with --debug, and report the output"
        message = f"repoman: {internal_error(error)}: {cure}"
        raise Exit(message, int(ExitCode.FAILED)) from None


def _print_traceback(*, enabled: bool) -> None:
    if enabled:
        traceback.print_exc(file=sys.stderr)

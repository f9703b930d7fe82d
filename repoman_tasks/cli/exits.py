"""How a command ends: the one place where errors become one line and an exit code."""

from __future__ import annotations

import contextlib
import sys
import traceback
from collections.abc import Iterator

from invoke.exceptions import Exit

from repoman_tasks.errors import ExitCode, RepomanError, internal_error
from repoman_tasks.terminal.streams import abandon_output

__all__ = ["exits"]


@contextlib.contextmanager
def exits(*, debug: bool) -> Iterator[None]:
    """Turn every error within into invoke's `Exit`, which carries the line and the code.

    With `debug` the traceback is printed first.
    """
    try:
        yield
    except Exit:
        raise
    except RepomanError as error:
        _trace(debug)
        raise Exit(f"repoman: {error}", int(error.code)) from None
    except KeyboardInterrupt:
        _trace(debug)
        abandon_output()
        raise Exit("repoman: interrupted", int(ExitCode.INTERRUPTED)) from None
    except Exception as error:
        _trace(debug)
        line = f"repoman: {internal_error(error)}: repeat with --debug and report what it prints"
        raise Exit(line, int(ExitCode.FAILED)) from None


def _trace(debug: bool) -> None:
    if debug:
        traceback.print_exc(file=sys.stderr)

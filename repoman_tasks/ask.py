"""Asking a person, on a terminal only."""

from __future__ import annotations

import sys

from repoman_tasks.errors import Interrupted, UsageError

__all__ = ["Ask"]


class Ask:
    """Questions, and what stands in for an answer where nobody can be asked."""

    def __init__(self, *, yes: bool, no_input: bool) -> None:
        self._yes = yes
        self._terminal = sys.stdin.isatty() and sys.stderr.isatty() and not no_input

    @property
    def possible(self) -> bool:
        """Whether somebody is there to answer."""
        return self._terminal

    def confirm(self, question: str, *, default: bool, flag: str = "--yes") -> bool:
        """Ask a yes-or-no question. `--yes` answers it.

        Where nobody can be asked, a question that expects yes is answered so, because the
        command itself was the wish; any other ends with the flag that would answer it.
        """
        if self._yes:
            return True
        if not self._terminal:
            if default:
                return True
            raise UsageError(f"{question} Nobody can be asked here", f"add {flag}")
        while True:
            answer = self._line(f"{question} [{'Y/n' if default else 'y/N'}] ").lower()
            if answer in ("y", "yes", "n", "no", ""):
                return default if not answer else answer.startswith("y")
            print("Please answer y or n.", file=sys.stderr)

    def _line(self, prompt: str) -> str:
        print(prompt, end="", file=sys.stderr, flush=True)
        line = sys.stdin.readline()
        if not line:  # Ctrl-D
            print(file=sys.stderr)
            raise Interrupted("no answer, nothing was changed")
        return line.strip()

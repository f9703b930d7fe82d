"""Asking a person, on a terminal only."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from repoman_tasks.errors import Interrupted, UsageError

__all__ = ["Ask"]


class Ask:
    """Questions, and what stands in for an answer where nobody can be asked."""

    def __init__(self, *, yes: bool, no_input: bool) -> None:
        self.yes = yes
        """Whether the ordinary questions are answered with yes."""
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
        if self.yes:
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

    def grant(self, question: str) -> bool:
        """Ask for what no flag stands for, `--yes` least of all; no is the default.

        False where nobody can be asked.
        """
        if not self._terminal:
            return False
        return self._line(f"{question} [y/N] ").lower() in ("y", "yes")

    def choose(self, question: str, options: Sequence[str]) -> str:
        """Ask for one of `options`, by its number or its name; the first is the default.

        Where nobody can be asked it is the default.
        """
        if not self._terminal:
            return options[0]
        for number, option in enumerate(options, 1):
            print(f"  {number}  {option}", file=sys.stderr)
        while True:
            answer = self._line(f"{question} [1] ")
            if not answer:
                return options[0]
            if answer in options:
                return answer
            if answer.isascii() and answer.isdigit() and 0 < int(answer) <= len(options):
                return options[int(answer) - 1]
            print(f"Please answer 1 to {len(options)}.", file=sys.stderr)

    def typed(self, question: str, wanted: str, flag: str) -> None:
        """Have `wanted` typed by a person, who so shows that it is meant; `--yes` stands for it.

        `Interrupted` by anything else; `UsageError` with the flag where nobody can be asked.
        """
        if self.yes:
            return
        if not self._terminal:
            raise UsageError(f"{question} Nobody can be asked here", f"add {flag}")
        if self._line(f"{question} Type {wanted} to go on: ") != wanted:
            raise Interrupted("nothing was changed")

    def _line(self, prompt: str) -> str:
        print(prompt, end="", file=sys.stderr, flush=True)
        line = sys.stdin.readline()
        if not line:  # Ctrl-D
            print(file=sys.stderr)
            raise Interrupted("no answer, nothing was changed")
        return line.strip()

"""Asking a person, on a terminal only."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence

from repoman_tasks.errors import Interrupted, RepomanError, UsageError, one_line
from repoman_tasks.hosts.signals import wait_for_line
from repoman_tasks.planning.prompts import Prompt, listed, picked

__all__ = ["Prompter"]


def _anything(_: str) -> None:
    """Takes any answer."""


class Prompter:
    """The questions of one command, and what stands in for an answer where nobody can be asked."""

    def __init__(self, command: str, *, yes: bool, no_input: bool) -> None:
        self.command = command
        self.yes = yes
        """Whether the ordinary questions are answered with yes."""
        self.granted: tuple[str, ...] = ()
        """The arguments that would have answered what a person granted."""
        self.declined = False
        """Whether a person said no to something."""
        self.outcome = "nothing was changed"
        """What is true where a person gives no answer, or says no."""
        self._terminal = sys.stdin.isatty() and sys.stderr.isatty() and not no_input

    @property
    def possible(self) -> bool:
        """Whether somebody is there to answer."""
        return self._terminal

    def confirm(self, prompt: Prompt, *about: str, default: bool) -> bool:
        """Ask a yes-or-no question. `--yes` answers it.

        Where nobody can be asked, a question that expects yes is answered so, because the
        command itself was the wish; any other ends with the flag that would answer it.
        """
        if self.yes:
            return True
        if not self._terminal:
            if default:
                return True
            raise self._nobody(prompt, about)
        question = f"{self._text(prompt, about)} [{'Y/n' if default else 'y/N'}] "
        while True:
            answer = self._line(question).lower()
            if answer in ("y", "yes", "n", "no", ""):
                agreed = default if not answer else answer.startswith("y")
                self.declined |= not agreed
                return agreed
            _say("Please answer y or n.")

    def grant(self, prompt: Prompt, *about: str) -> bool:
        """Ask for what `--yes` does not stand for; no is the default.

        False where nobody can be asked.
        """
        if not self._terminal:
            return False
        granted = self._line(f"{self._text(prompt, about)} [y/N] ").lower() in ("y", "yes")
        if granted:
            self.granted += prompt.arguments(self.command)
        return granted

    def choose(
        self,
        prompt: Prompt,
        *about: str,
        options: Mapping[str, str],
        default: str = "",
        free: bool = False,
        check: Callable[[str], object] = _anything,
    ) -> str:
        """Ask for one of `options`, which are values with what is told of each, by its number or
        itself; the answer.

        Where it is `free` any other value will do that `check` takes. What it raises of
        `RepomanError` is told, and the question is asked again. Without a `default` an answer is
        needed. `UsageError` where nobody can be asked.
        """
        if not self._terminal:
            raise self._nobody(prompt, about)
        values = list(options)
        if listed(values):
            for number, (value, told) in enumerate(options.items(), 1):
                _say(f"  {number:>{len(str(len(values)))}}  {told or value}")
        else:
            _say(f"  {len(values)} to choose from, by name")
        shown = str(values.index(default) + 1) if default in values else default
        question = f"{self._text(prompt, about)}{f' [{shown}]' if shown else ''} "
        while True:
            answer = self._line(question) or default
            try:
                if not answer:
                    raise UsageError("this needs an answer", "Ctrl-C leaves it all as it is")
                value = picked(answer, values, free=free)
                check(value)
            except RepomanError as problem:
                _say(str(problem))
            else:
                return value

    def typed(self, prompt: Prompt, about: str, expected: str) -> None:
        """Have `expected` typed by a person, who so shows that it is meant; `--yes` stands for it.

        `Interrupted` by anything else; `UsageError` with the flag where nobody can be asked.
        """
        if self.yes:
            return
        if not self._terminal:
            raise self._nobody(prompt, (about,))
        question = f"{self._text(prompt, (about,))} Type {expected} to go on: "
        if self._line(question) != expected:
            raise Interrupted(self.outcome)

    def _text(self, prompt: Prompt, about: Sequence[str]) -> str:
        prompt.arguments(self.command)  # which holds that it is described
        return one_line(prompt.text.format(*about))

    def _nobody(self, prompt: Prompt, about: Sequence[str]) -> UsageError:
        what = f"{self._text(prompt, about)} Nobody can be asked here"
        return UsageError(what, prompt.way(self.command))

    def _line(self, question: str) -> str:
        while True:
            print(question, end="", file=sys.stderr, flush=True)
            wait_for_line(sys.stdin.fileno())
            try:
                line = sys.stdin.readline()
            except UnicodeDecodeError:
                line = "\0\n"
            if not line:  # Ctrl-D
                print(file=sys.stderr)
                raise Interrupted(f"no answer, {self.outcome}")
            if line.strip().isprintable():
                return line.strip()
            _say("That has signs that can't be shown.")


def _say(text: str) -> None:
    print(one_line(text), file=sys.stderr)

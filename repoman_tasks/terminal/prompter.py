"""Prompt a person, on a terminal only."""

from __future__ import annotations

import contextlib
import sys
import termios
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

from repoman_tasks.errors import Interrupted, RepomanError, UsageError, one_line
from repoman_tasks.hosts.processes import waits
from repoman_tasks.hosts.signals import wait_for_line
from repoman_tasks.planning.prompts import Prompt, is_menu, parse_choice

__all__ = ["Prompter", "RelayedPrompter"]


_MOST_BYTES = 64 << 10
"""Limit of a line of standard input."""


def _anything(_: str) -> None:
    """Accept any answer."""


class Prompter:
    """Asks the questions of one command; without a terminal, options answer them."""

    def __init__(self, command: str, *, yes: bool, no_input: bool) -> None:
        self.command = command
        self.yes = yes
        """If true, answer ordinary questions with yes."""
        self.granted: tuple[str, ...] = ()
        """The options that would have given the approvals that a person gave."""
        self.declined = False
        """If true, a person has answered a question with no."""
        self.outcome = "nothing was changed"
        """The state of things to report if a person gives no answer, or answers no."""
        self._terminal = sys.stdin.isatty() and sys.stderr.isatty() and not no_input

    @property
    def possible(self) -> bool:
        """Return True if there is a terminal to prompt on."""
        return self._terminal

    def confirm(self, prompt: Prompt, *about: str, default: bool) -> bool:
        """Ask a yes-or-no question; return if the answer is yes. `--yes` answers it.

        Without a terminal, return True if that is the default: running the command was the
        decision. Otherwise raise UsageError with the option that answers the question.
        """
        if self.yes:
            return True
        if not self._terminal:
            if default:
                return True
            raise self._no_terminal(prompt, about)
        question = f"{self._text(prompt, about)} [{'Y/n' if default else 'y/N'}] "
        while True:
            answer = self._line(question).lower()
            if answer in ("y", "yes", "n", "no", ""):
                agreed = default if not answer else answer.startswith("y")
                self.declined |= not agreed
                return agreed
            _print("Please answer y or n.")

    def grant(self, prompt: Prompt, *about: str) -> bool:
        """Ask for an approval that `--yes` does not give; the default is no.

        Return False without a terminal.
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
        """Ask for one of `options`, by its number or value, and return the value.

        `options` maps each value to its menu text. If `free`, any other value is accepted that
        `check` does not reject. If `check` raises RepomanError, print it and ask again. Without
        a `default` an answer is required. Raise UsageError without a terminal.
        """
        if not self._terminal:
            raise self._no_terminal(prompt, about)
        values = list(options)
        if is_menu(values):
            for number, (value, text) in enumerate(options.items(), 1):
                _print(f"  {number:>{len(str(len(values)))}}  {text or value}")
        else:
            _print(f"  {len(values)} to choose from, by name")
        shown = str(values.index(default) + 1) if default in values else default
        question = f"{self._text(prompt, about)}{f' [{shown}]' if shown else ''} "
        while True:
            answer = self._line(question) or default
            try:
                if not answer:
                    raise UsageError("an answer is required", "press Ctrl-C to cancel")
                value = parse_choice(answer, values, free=free)
                check(value)
            except RepomanError as problem:
                _print(str(problem))
            else:
                return value

    def typed(self, prompt: Prompt, about: str, expected: str) -> None:
        """Have a person type `expected` to confirm; `--yes` confirms, too.

        Raise Interrupted for any other answer, UsageError without a terminal.
        """
        if self.yes:
            return
        if not self._terminal:
            raise self._no_terminal(prompt, (about,))
        question = f"{self._text(prompt, (about,))} Type {expected} to go on: "
        if self._line(question) != expected:
            raise Interrupted(self.outcome)

    def secret(self, prompt: Prompt, *about: str, piped: bool = False) -> str:
        """Ask for a secret, which is not shown; return "" for an empty answer.

        If `piped`, it is the first line of standard input. Raise UsageError without a terminal.
        """
        if piped and not sys.stdin.isatty():
            return sys.stdin.buffer.readline(_MOST_BYTES).decode(errors="replace").strip()
        if not self._terminal:
            raise self._no_terminal(prompt, about)
        with _echo_off(sys.stdin.fileno()):
            return self._line(f"{self._text(prompt, about)} ")

    def _text(self, prompt: Prompt, about: Sequence[str]) -> str:
        prompt.arguments(self.command)  # raises if no option is known to answer it
        return one_line(prompt.text.format(*about))

    def _no_terminal(self, prompt: Prompt, about: Sequence[str]) -> UsageError:
        what = f"{self._text(prompt, about)} No terminal to ask on"
        return UsageError(what, prompt.cure(self.command))

    def _line(self, question: str) -> str:
        waits.end()
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
            _print("the answer contains control characters")


class RelayedPrompter(Prompter):
    """The prompter of another thread, which has the main thread ask."""

    def __init__(self, main: Prompter, relay: Callable[[Callable[[], str]], str]) -> None:
        """`relay` has the main thread call a function, and returns what that returns."""
        super().__init__(main.command, yes=main.yes, no_input=True)
        self._terminal = main.possible
        self.outcome = "nothing more was changed"
        self._main = main
        self._relay = relay

    def _line(self, question: str) -> str:
        return self._relay(partial(self._main._line, question))


def _print(text: str) -> None:
    print(one_line(text), file=sys.stderr)


@contextlib.contextmanager
def _echo_off(terminal: int) -> Iterator[None]:
    """Do not show what is typed on the file descriptor `terminal`."""
    before = termios.tcgetattr(terminal)
    silent = [*before[:3], before[3] & ~termios.ECHO, *before[4:]]
    termios.tcsetattr(terminal, termios.TCSADRAIN, silent)
    try:
        yield
    finally:
        termios.tcsetattr(terminal, termios.TCSADRAIN, before)
        print(file=sys.stderr)  # for the line break that was typed

"""How words become tasks and their arguments.

invoke's parser takes a word for a missing positional before it asks whether the word is a
flag or a task, so `remove --help` would remove a project called `--help`; and it knows no
positional that may be left out (pyinvoke/invoke#159). `install` puts this machine in the
place of invoke's, for `inv` and `repoman` alike.
"""

from __future__ import annotations

import itertools
import shlex
import sys
from collections.abc import Mapping
from typing import Any

import invoke.parser.parser
from invoke.exceptions import Exit, ParseError
from invoke.parser.argument import Argument
from invoke.parser.parser import Parser, ParseResult

from repoman_tasks.errors import ExitCode, one_line
from repoman_tasks.planning.names import nearest

__all__ = ["GLOBAL", "ParseMachine", "UsageExit", "Word", "install"]


GLOBAL: Mapping[str, str] = {
    "--help": "Show help, of a command if one follows.",
    "--version": "Show the version.",
    "--list": "List the commands.",
    "--debug": "Show the traceback of an error.",
    "--dry": "Change nothing; print what would run.",
}
"""Those of invoke's own flags that are of use; they stand before the command."""

_Invokes = invoke.parser.parser.ParseMachine


class UsageExit(Exit):
    """The words given are off; nothing ran."""

    def __init__(self, message: str) -> None:
        super().__init__(message=one_line(f"repoman: {message}"), code=int(ExitCode.USAGE))


class Word(Argument):
    """An argument of a task. A positional one may be left out; the task asks or complains then.

    A `greedy` one takes the next word even where that is the name of a task, to say so. The task
    of one `before_program` runs what follows `--`.
    """

    greedy = False
    before_program = False

    def set_value(self, value: Any, cast: bool = True) -> None:
        try:
            super().set_value(value, cast)
        except ValueError:
            raise UsageExit(f"--{self.names[0]} needs a whole number, not {value!r}") from None


class ParseMachine(_Invokes):
    """invoke's, with three rules more: a word that begins with - is a flag or an error,
    a positional may be missing, and a task's name is a task."""

    def handle(self, token: str) -> None:
        if self.current_state == "unknown" or self.ignore_unknown:
            super().handle(token)
        elif token.startswith("-"):
            self._handle_flag(token)
        else:
            self._handle_word(token)

    def _handle_flag(self, token: str) -> None:
        flag = self.context.flags.get(token)
        if (
            flag is not None
            and flag.takes_value
            and flag.raw_value is not None
            and flag.kind is not list
        ):
            self.error(f"{token} was given twice")
        if token in self.context.flags or token in self.context.inverse_flags:
            super().handle(token)
            return
        self.complete_flag()
        if token not in self.initial.flags:
            known = [*self.context.flags, *self.context.inverse_flags, *GLOBAL]
            self.error(f"unknown flag {token}", nearest(token, known))
        if self.initial.flags[token].name == "help":
            self.initial.flags[token].value = self.context.name
        else:
            self.switch_to_flag(token)

    def _handle_word(self, token: str) -> None:
        missing = self.context.missing_positional_args
        if self.waiting_for_flag_value:
            super().handle(token)
        elif token in self.contexts and not (missing and getattr(missing[0], "greedy", False)):
            self.see_context(token)
        elif missing:
            self.see_positional_arg(token)
        elif self.context.name:
            self._one_too_many(token)
        else:
            self.error(f"no command is called {token!r}", nearest(token, self.contexts))

    def _one_too_many(self, token: str) -> None:
        name = next((arg for arg in self.context.args.values() if _before_program(arg)), None)
        if name is None:
            self.error(f"{token!r} is one word too many", nearest(token, self.contexts))
        else:
            example = shlex.join(["repoman", str(self.context.name), str(name.value), "--", token])
            self.error(
                f"{token!r} is one word too many",
                hint=f"put the program after --, as in `{example}`",
            )

    def complete_flag(self) -> None:
        flag = self.flag
        if flag and flag.takes_value and flag.raw_value is None and not flag.optional:
            self.error(f"--{flag.names[0]} needs a value")
        super().complete_flag()

    def complete_context(self) -> None:
        if self.context:
            self.context.positional_args = [
                arg
                for arg in self.context.positional_args
                if not (isinstance(arg, Word) and arg.value is None)
            ]
        super().complete_context()

    def error(self, msg: str, meant: str = "", hint: str = "") -> None:
        where = f"{self.context.name}: " if self.context and self.context.name else ""
        if "--complete" in sys.argv:  # a half-typed line; invoke completes what it can
            raise ParseError(msg, self.context)
        if not hint:
            hint = f"did you mean {meant}?" if meant else f"see `{self._help_command()}`"
        raise UsageExit(f"{where}{msg}: {hint}")

    def _help_command(self) -> str:
        """Return the command that shows help; `inv` alone has flags to find tasks by."""
        command = "inv --help" if "collection" in self.initial.args else "repoman help"
        return f"{command} {self.context.name or ''}".rstrip()


def _before_program(argument: Argument) -> bool:
    return isinstance(argument, Word) and argument.before_program


# The metaclass gives each class a table of its own for states; this one has invoke's.
ParseMachine._class_states = _Invokes._class_states
ParseMachine._class_transitions = _Invokes._class_transitions


_invokes_parse_argv = invoke.parser.parser.Parser.parse_argv


def _parse_argv(parser: Parser, argv: list[str]) -> ParseResult:
    """invoke's, but `--flag=value` is an error where the flag takes none, and `help` is --help.

    invoke would go on with the value as the next word, and that would become a name.
    """
    if parser.contexts and argv[:1] == ["help"]:
        named = [word for word in argv[1:2] if word != "help"]
        argv = [*named, "--help", *argv[2:]]
    for token in itertools.takewhile(lambda word: word != "--", argv):
        flag, equals, _ = token.partition("=")
        takers = [c.flags[flag] for c in parser.contexts.values() if flag in c.flags]
        if equals and takers and not any(taker.takes_value for taker in takers):
            raise UsageExit(f"{flag} takes no value: leave out the = and what follows")
    return _invokes_parse_argv(parser, argv)


def install() -> None:
    """Make invoke parse so. It looks up both by these names for every parse."""
    invoke.parser.parser.ParseMachine = ParseMachine  # type: ignore[misc]
    invoke.parser.parser.Parser.parse_argv = _parse_argv  # type: ignore[assignment, method-assign]

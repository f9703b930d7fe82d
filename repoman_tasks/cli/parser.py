"""Parsing the command line: invoke's parser with stricter rules.

invoke assigns an argument to a missing positional before it checks if it is an option or a task, so
`remove --help` would remove a project called `--help`. It also has no optional positionals
(pyinvoke/invoke#159). `install_parser` replaces its parser, for `inv` as for `repoman`.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Mapping
from typing import Any

import invoke.parser.parser
from invoke.exceptions import Exit, ParseError
from invoke.parser.argument import Argument
from invoke.parser.parser import Parser, ParseResult

from repoman_tasks.errors import ExitCode, one_line, quoted
from repoman_tasks.planning.names import nearest

__all__ = ["GLOBAL_OPTIONS", "ParseMachine", "TaskArgument", "UsageExit", "install_parser"]


GLOBAL_OPTIONS: Mapping[str, str] = {
    "--help": "Show help, of a command if one follows.",
    "--version": "Show the version.",
    "--list": "List the commands.",
    "--debug": "Show the traceback of an error.",
    "--dry": "Change nothing; print what would run.",
}
"""The options before the command: those of invoke that repoman supports."""

_InvokeParseMachine = invoke.parser.parser.ParseMachine


class UsageExit(Exit):
    """Invalid arguments; no task ran."""

    def __init__(self, message: str) -> None:
        super().__init__(message=one_line(f"repoman: {message}"), code=int(ExitCode.USAGE))


class TaskArgument(Argument):
    """An argument of a task. A positional one is optional here; the task prompts or raises."""

    greedy = False
    """If true, take the next argument even if it is the name of a task."""
    before_program = False
    """If true, the task runs the program after `--`."""

    def set_value(self, value: Any, cast: bool = True) -> None:
        try:
            super().set_value(value, cast)
            valid = self.kind is not int or self.value >= 0
        except ValueError:
            valid = False
        if not valid:
            raise UsageExit(f"--{self.names[0]} needs a whole number from 0 on, not {value!r}")


class _Attached(str):
    """The value in `--option=value`, which may begin with a dash."""

    __slots__ = ()


class ParseMachine(_InvokeParseMachine):
    """invoke's state machine, with four more rules.

    An argument that begins with - is an option or an error, unless it is attached to its option by
    an equals sign, positionals are optional, one that is a list takes all that follow, a greedy one
    after its first up to the name of a task, and otherwise the name of a task starts that task.
    """

    def handle(self, token: str) -> None:
        if self.current_state == "unknown" or self.ignore_unknown:
            super().handle(token)
        elif isinstance(token, _Attached):
            if not self.waiting_for_flag_value:
                self.error(f"={token} takes no value", hint="leave out the = and what follows")
            self.see_value(token)
        elif token.startswith("-"):
            self._handle_flag(token)
        else:
            self._handle_argument(token)

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
            known = [*self.context.flags, *self.context.inverse_flags, *GLOBAL_OPTIONS]
            self.error(f"unknown option {token}", nearest(token, known))
        if self.initial.flags[token].name == "help":
            self.initial.flags[token].value = self.context.name
        else:
            self.switch_to_flag(token)

    def _handle_argument(self, token: str) -> None:
        missing = self.context.missing_positional_args
        repeatable = next((arg for arg in self.context.positional_args if arg.kind is list), None)
        if self.waiting_for_flag_value:
            super().handle(token)
        elif repeatable is not None and not missing and not self._ends(repeatable, token):
            repeatable.set_value(token)
        elif token in self.contexts and not (missing and getattr(missing[0], "greedy", False)):
            self.see_context(token)
        elif missing:
            self.see_positional_arg(token)
        elif self.context.name:
            self._reject_argument(token)
        else:
            self.error(f"no command is called {token!r}", nearest(token, self.contexts))

    def _ends(self, repeatable: Argument, token: str) -> bool:
        """Return True if the names of projects that a greedy list takes end at this task's name."""
        first = self.context.positional_args[0] is repeatable
        greedy = first and getattr(repeatable, "greedy", False)
        return greedy and bool(repeatable.value) and token in self.contexts

    def _reject_argument(self, token: str) -> None:
        name = next((arg for arg in self.context.args.values() if _before_program(arg)), None)
        if name is None:
            self.error(f"unexpected argument {token!r}", nearest(token, self.contexts))
        else:
            example = quoted("repoman", str(self.context.name), str(name.value), "--", token)
            self.error(
                f"unexpected argument {token!r}",
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
                if not (isinstance(arg, TaskArgument) and arg.value is None)
            ]
        super().complete_context()

    def error(self, msg: str, suggestion: str = "", hint: str = "") -> None:
        command = f"{self.context.name}: " if self.context and self.context.name else ""
        if "--complete" in sys.argv:  # invoke completes an unfinished line
            raise ParseError(msg, self.context)
        if not hint:
            hint = f"did you mean {suggestion}?" if suggestion else f"see `{self._help_command()}`"
        raise UsageExit(f"{command}{msg}: {hint}")

    def _help_command(self) -> str:
        """Return the command that shows help: under `inv`, which has --collection, invoke's."""
        command = "inv --help" if "collection" in self.initial.args else "repoman help"
        return f"{command} {self.context.name or ''}".rstrip()


def _before_program(argument: Argument) -> bool:
    return isinstance(argument, TaskArgument) and argument.before_program


# The metaclass gives each class a state table of its own; share that of invoke.
ParseMachine._class_states = _InvokeParseMachine._class_states
ParseMachine._class_transitions = _InvokeParseMachine._class_transitions


_invoke_parse_argv = invoke.parser.parser.Parser.parse_argv


def _parse_argv(parser: Parser, argv: list[str]) -> ParseResult:
    """Parse as invoke does, with three more rules.

    `help COMMAND` means `COMMAND --help`. `--flag=value` is an error if the flag takes no value:
    invoke would parse the value as the next argument, which would become a name. If it takes one,
    that may begin with a dash.
    """
    if parser.contexts and argv[:1] == ["help"]:
        command = [name for name in argv[1:2] if name != "help"]
        argv = [*command, "--help", *argv[2:]]
    words: list[str] = []
    for token in itertools.takewhile(lambda token: token != "--", argv):
        flag, equals, value = token.partition("=")
        arguments = [c.flags[flag] for c in parser.contexts.values() if flag in c.flags]
        takes_value = any(arg.takes_value for arg in arguments)
        if equals and arguments and not takes_value:
            raise UsageExit(f"{flag} takes no value: leave out the = and what follows")
        words += [flag, _Attached(value)] if equals and takes_value else [token]
    rest = itertools.dropwhile(lambda token: token != "--", argv)
    return _invoke_parse_argv(parser, [*words, *rest])


def install_parser() -> None:
    """Replace invoke's parser. invoke looks up both names each time it parses."""
    invoke.parser.parser.ParseMachine = ParseMachine  # type: ignore[misc]
    invoke.parser.parser.Parser.parse_argv = _parse_argv  # type: ignore[assignment, method-assign]

"""A task: an invoke task that knows its arguments by their types and runs in a session."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Iterable, Mapping
from types import NoneType
from typing import Any, Generic, TypeVar

import invoke.tasks
from invoke.exceptions import Exit
from invoke.parser.argument import Argument

from repoman_tasks.cli.parser import TaskArgument
from repoman_tasks.cli.wizard import Wizard
from repoman_tasks.errors import UsageError
from repoman_tasks.session import Session

__all__ = ["COMMON", "WATCHING", "Task", "task"]

R = TypeVar("R")

COMMON: Mapping[str, tuple[type, str]] = {
    "yes": (bool, "Answer ordinary questions with yes."),
    "no_input": (bool, "Never prompt: name the missing option and exit."),
    "host": (
        str,
        "Work on this host over SSH; `list` and `status` take several, separated by commas.",
    ),
}
"""The arguments that every task takes; the executor hands them to the session."""

WATCHING: Mapping[str, tuple[type, str]] = {
    "watch": (bool, "Repeat, and redraw the screen, until Ctrl-C."),
    "interval": (int, "Seconds between two updates of --watch (default: 5)."),
}
"""The arguments of a task that can be watched; the executor takes them."""

_SHORT = {"yes": "y", "dry_run": "n", "jobs": "j"}


def _asks_nothing(_: Wizard) -> None:
    """Prompt for nothing."""


class Task(invoke.tasks.Task[Any], Generic[R]):
    """An invoke task whose body takes a `Session` and the arguments of its signature.

    Each argument has the type of its annotation: bool is a flag, int and str take a value,
    list[str] takes one at each use. `None` as default means not given. One that `takes_argv`, or
    `needs_argv`, finds what follows `--` in its session. One for `many_hosts` only looks, so that
    several can be asked at once. One that `holds` keeps something of its host in use. One that can
    be watched names the arguments that it may have then. A `wizard` asks a person for what is
    unset.

    Its help page shows `examples`, each command line with what it does, and the `exit_codes` that
    not every command has.

    A pre-task asks its host for something and returns a `Future` of that. All of `pre` are called
    before the body, which waits for them.
    """

    def __init__(
        self,
        body: Callable[..., R],
        *,
        pre: Iterable[Task[Any]] = (),
        positional: Iterable[str] = (),
        greedy: bool = False,
        takes_argv: bool = False,
        needs_argv: bool = False,
        many_hosts: bool = False,
        holds: bool = False,
        watched_with: Iterable[str] = (),
        wizard: Callable[[Wizard], None] = _asks_nothing,
        help: Mapping[str, str] | None = None,
        examples: Mapping[str, str] | None = None,
        exit_codes: Mapping[str, str] | None = None,
        name: str | None = None,
    ) -> None:
        pre = list(pre)
        super().__init__(
            body,
            name=name,
            pre=pre,  # type: ignore[arg-type]  # invoke means tasks
            positional=list(positional),
            help=dict(help or {}),
        )
        self.greedy = greedy
        self.takes_argv = takes_argv or needs_argv
        self.needs_argv = needs_argv
        self.many_hosts = many_hosts
        self.holds: bool = holds or any(pre_task.holds for pre_task in pre)
        self.watched_with = tuple(watched_with)
        self.wizard = wizard
        self.examples = examples or {}
        self.exit_codes = exit_codes or {}

    def __call__(self, *args: Any, **kwargs: Any) -> R:
        if not args or not isinstance(args[0], Session):
            raise Exit(
                "repoman: these tasks run under repoman's own executor: keep `tasks: "
                "executor_class: repoman_tasks.cli.executor.Executor` in invoke.yaml",
                int(UsageError.code),
            )
        self.times_called += 1
        return typing.cast("R", self.body(*args, **kwargs))

    def get_arguments(self, ignore_unknown_help: bool | None = None) -> list[Argument]:  # noqa: ARG002
        """The arguments of the body, positional ones first, then those that every task takes."""
        hints = typing.get_type_hints(self.body)
        parameters = list(inspect.signature(self.body).parameters.values())[1:]
        unknown = set(self.help) - {p.name for p in parameters}
        if unknown:
            raise ValueError(f"{self.name} has help for arguments that it does not take: {unknown}")
        argv = [self._word(p.name, _plain_type(hints[p.name]), p.default) for p in parameters]
        argv.sort(key=lambda word: not word.positional)
        others = {**(WATCHING if self.watched_with else {}), **COMMON}
        return [
            *argv,
            *(self._word(name, kind, None, text) for name, (kind, text) in others.items()),
        ]

    def unset(self) -> dict[str, Any]:
        """The arguments of the body where none is given."""
        parameters = list(inspect.signature(self.body).parameters.values())[1:]
        return {p.name: [] if p.default is p.empty else p.default for p in parameters}

    def _word(self, name: str, kind: type, default: Any, text: str = "") -> TaskArgument:
        word = TaskArgument(
            names=[name.replace("_", "-"), *_SHORT.get(name, "")],
            attr_name=name if "_" in name else None,
            kind=kind,
            default=False if kind is bool else default,
            help=text or self.help.get(name, ""),
            positional=name in self.positional,
        )
        word.greedy = self.greedy and word.positional
        word.before_program = self.takes_argv and word.positional
        return word


def _plain_type(hint: Any) -> type:
    """`str` for `str | None`, `list` for `list[str]`."""
    options = [option for option in typing.get_args(hint) if option is not NoneType]
    if typing.get_origin(hint) is list:
        return list
    return typing.cast("type", options[0] if options else hint)


def task(**options: Any) -> Callable[[Callable[..., R]], Task[R]]:
    """Make a task of a function; `options` are those of `Task`."""
    return lambda body: Task(body, **options)

"""Tasks: functions of a session whose annotated parameters are command-line arguments."""

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
from repoman_tasks.planning.prompts import option_name
from repoman_tasks.session import Session

__all__ = ["COMMON_OPTIONS", "WATCH_OPTIONS", "Task", "task"]

R = TypeVar("R")

COMMON_OPTIONS: Mapping[str, tuple[type, str]] = {
    "yes": (bool, "Answer ordinary questions with yes."),
    "no_input": (bool, "Never prompt: name the missing option and exit."),
    "host": (
        str,
        "Work on this host over SSH; `list` and `status` take several, separated by commas.",
    ),
}
"""The options of every task, by argument name: type and help. The executor handles them."""

WATCH_OPTIONS: Mapping[str, tuple[type, str]] = {
    "watch": (bool, "Repeat, and redraw the screen, until Ctrl-C."),
    "interval": (int, "Seconds between two updates of --watch (default: 5)."),
}
"""The options of a task that can be repeated by --watch. The executor handles them."""

_SHORT = {"yes": "y", "dry_run": "n", "jobs": "j"}


def _no_prompts(_: Wizard) -> None:
    """Leave all arguments as they are."""


class Task(invoke.tasks.Task[Any], Generic[R]):
    """An invoke task whose body takes a `Session`, then the arguments of its signature.

    The annotation of an argument is its type: bool is a flag, int and str take a value, list[str]
    takes a value and can be repeated.

    `pre`: pre-tasks, which submit requests to the host and return a `Future` of the facts. All are
    submitted before the body runs.
    `positional`, `greedy`: the positional arguments; if greedy, NAME may be that of a task.
    `takes_argv`, `needs_argv`: put the arguments after `--` into `session.argv`.
    `many_hosts`: the task changes nothing and can run on several hosts at the same time.
    `needs_holder`: prepare the shell that holds locks and folders of the host.
    `watchable_with`: the arguments that can be combined with --watch.
    `wizard`: prompts for unset arguments.
    `help`, `examples`, `exit_codes`: for the help page; only exit codes that not all commands have.
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
        needs_holder: bool = False,
        watchable_with: Iterable[str] = (),
        wizard: Callable[[Wizard], None] = _no_prompts,
        help: Mapping[str, str] | None = None,
        examples: Mapping[str, str] | None = None,
        exit_codes: Mapping[str, str] | None = None,
        name: str | None = None,
    ) -> None:
        pre = list(pre)
        super().__init__(
            body,
            name=name or body.__name__.replace("_", "-"),  # as it is typed
            pre=pre,  # type: ignore[arg-type]  # its annotation lacks tasks
            positional=list(positional),
            help=dict(help or {}),
        )
        self.greedy = greedy
        self.takes_argv = takes_argv or needs_argv
        self.needs_argv = needs_argv
        self.many_hosts = many_hosts
        self.needs_holder: bool = needs_holder or any(task.needs_holder for task in pre)
        self.watchable_with = tuple(watchable_with)
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
        """Return the arguments: positional ones, options, then the options of every task."""
        hints = typing.get_type_hints(self.body)
        parameters = list(inspect.signature(self.body).parameters.values())[1:]
        unknown = set(self.help) - {p.name for p in parameters}
        if unknown:
            raise ValueError(f"{self.name} has help for arguments that it does not take: {unknown}")
        arguments = [
            self._make_argument(p.name, _argument_type(hints[p.name]), p.default)
            for p in parameters
        ]
        arguments.sort(key=lambda argument: not argument.positional)
        options = {**(WATCH_OPTIONS if self.watchable_with else {}), **COMMON_OPTIONS}
        make = self._make_argument
        common = [make(name, kind, None, text) for name, (kind, text) in options.items()]
        return [*arguments, *common]

    def default_arguments(self) -> dict[str, Any]:
        """Return the default of each argument."""
        parameters = list(inspect.signature(self.body).parameters.values())[1:]
        return {p.name: [] if p.default is p.empty else p.default for p in parameters}

    def _make_argument(self, name: str, kind: type, default: Any, text: str = "") -> TaskArgument:
        argument = TaskArgument(
            names=[option_name(name), *_SHORT.get(name, "")],
            attr_name=name if "_" in name else None,
            kind=kind,
            default=False if kind is bool else default,
            help=text or self.help.get(name, ""),
            positional=name in self.positional,
        )
        argument.greedy = self.greedy and argument.positional
        argument.before_program = self.takes_argv and argument.positional
        return argument


def _argument_type(hint: Any) -> type:
    """Return the type for an annotation: `str` for `str | None`, `list` for `list[str]`."""
    if typing.get_origin(hint) is list:
        return list
    types = [type_ for type_ in typing.get_args(hint) if type_ is not NoneType]
    return typing.cast("type", types[0] if types else hint)


def task(**options: Any) -> Callable[[Callable[..., R]], Task[R]]:
    """Return a decorator that makes a task of a function, with the options of `Task`."""
    return lambda body: Task(body, **options)

"""The session of one task: its host, the facts found there, prompts and screen."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Any, Protocol, TypeVar

from repoman_tasks.hosts.base import Host
from repoman_tasks.model import Registry
from repoman_tasks.registry import Store
from repoman_tasks.terminal.prompter import Prompter
from repoman_tasks.terminal.screen import Screen

__all__ = ["FollowUps", "Session", "utc_now"]

R = TypeVar("R")

FollowUps = Callable[[], Iterator[tuple[str, dict[str, Any]]]]
"""Yields the commands to run next, each with its arguments."""


class Foreseen(Protocol):
    """A pre-task that knows from the registry what it will ask the host for."""

    foresee: Callable[[Session, Registry], None]


def utc_now() -> str:
    """Return the current time in UTC, in the registry's format."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Session:
    """One run of one task on one host. The contexts on `stack` are closed when it ends."""

    def __init__(
        self, host: Host, prompter: Prompter, screen: Screen, *, alone: bool = True
    ) -> None:
        self.host = host
        self.prompter = prompter
        self.screen = screen
        self.alone = alone
        """If false, the task runs on several hosts at once."""
        self.store = Store(host)
        self.stack = ExitStack()
        self.argv: tuple[str, ...] = ()
        """The arguments after `--`."""
        self.now: Callable[[], str] = utc_now
        self.equivalent: Callable[[], str] | None = None
        """If a wizard prompted: returns the command line that gives the same without prompts."""
        self.follow_ups: FollowUps | None = None
        """Commands to run next if this one succeeds."""
        self.given: Mapping[str, Any] = {}
        """The arguments of the task, so far as they are known."""
        self.expected: Collection[Foreseen] = ()
        """The pre-tasks that the task is going to use."""
        self._found: dict[Callable[..., Any], Any] = {}

    @property
    def dry(self) -> bool:
        """Return if invoke's --dry was given: nothing may change."""
        return self.host.dry

    def show_equivalent(self) -> None:
        """Print, once, the command line that does the same without prompts, if there were any."""
        if self.equivalent is not None:
            equivalent, self.equivalent = self.equivalent(), None
            self.screen.note(f"The same by flags: {equivalent}")

    def of(self, pre_task: Callable[[Session], R]) -> R:
        """Return the facts that `pre_task` finds; it runs once in a session."""
        if pre_task not in self._found:
            self._found[pre_task] = pre_task(self)
        found: R = self._found[pre_task]
        return found

    def look_again(self, *pre_tasks: Callable[[Session], Any]) -> None:
        """Discard the facts of these pre-tasks: they have changed since."""
        for pre_task in pre_tasks:
            self._found.pop(pre_task, None)

"""What a task works with while it runs: its host, what was found there, and a person maybe."""

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
"""Names commands that a person wants next, each with its arguments, one after the other ran."""


class Foreseen(Protocol):
    """A pre-task that can say, by the registry, what it will ask the session's host for."""

    foresee: Callable[[Session, Registry], None]


def utc_now() -> str:
    """The time as the registry writes it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Session:
    """One call of one task on one host. What is opened on `stack` is closed when it ends."""

    def __init__(
        self, host: Host, prompter: Prompter, screen: Screen, *, alone: bool = True
    ) -> None:
        self.host = host
        self.prompter = prompter
        self.screen = screen
        self.alone = alone
        """Whether this is the only host that is asked."""
        self.store = Store(host)
        self.stack = ExitStack()
        self.argv: tuple[str, ...] = ()
        """What a person typed after `--`, word for word."""
        self.now: Callable[[], str] = utc_now
        self.equivalent: Callable[[], str] | None = None
        """Where a person was asked for arguments: what would have given them by flags."""
        self.follow_ups: FollowUps | None = None
        """What follows where the command went well."""
        self.given: Mapping[str, Any] = {}
        """The arguments of the task that runs, as far as they are known."""
        self.expected: Collection[Foreseen] = ()
        """The pre-tasks that the task which runs is going to ask for."""
        self._found: dict[Callable[..., Any], Any] = {}

    @property
    def dry(self) -> bool:
        """invoke's own --dry: nothing may change."""
        return self.host.dry

    def show_equivalent(self) -> None:
        """Tell the command that does the same without questions; once, where some were asked."""
        if self.equivalent is not None:
            equivalent, self.equivalent = self.equivalent(), None
            self.screen.note(f"The same by flags: {equivalent}")

    def of(self, pre_task: Callable[[Session], R]) -> R:
        """What `pre_task` found; it looks once in a session."""
        if pre_task not in self._found:
            self._found[pre_task] = pre_task(self)
        found: R = self._found[pre_task]
        return found

    def look_again(self, *pre_tasks: Callable[[Session], Any]) -> None:
        """Forget what these pre-tasks found, because it was changed since."""
        for pre_task in pre_tasks:
            self._found.pop(pre_task, None)

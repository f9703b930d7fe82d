"""The session of one task: its host, the facts found there, prompts and screen."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Any, TypeVar

from repoman_tasks.hosts.base import Future, Host
from repoman_tasks.hosts.processes import utc_text
from repoman_tasks.registry import Store
from repoman_tasks.terminal.prompter import Prompter
from repoman_tasks.terminal.screen import Screen

__all__ = ["FollowUps", "Session", "utc_now"]

R = TypeVar("R")

FollowUps = Callable[[], Iterator[tuple[str, dict[str, Any]]]]
"""Yields the commands to run next, each with its arguments."""


def utc_now() -> str:
    """Return the current time in UTC, in the registry's format."""
    return utc_text(datetime.now(UTC))


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
        self.watched = False
        """If true, the task is repeated by --watch."""
        self.argv: tuple[str, ...] = ()
        """The arguments after `--`."""
        self.incus_project = ""
        """Incus project in place of the one in the registry, if not empty."""
        self.now: Callable[[], str] = utc_now
        self.equivalent: Callable[[], str] | None = None
        """If a wizard prompted: returns the command line that gives the same without prompts."""
        self.follow_ups: FollowUps | None = None
        """Commands to run next if this one succeeds."""
        self._submitted: dict[Callable[..., Any], Future[Any]] = {}

    @property
    def dry(self) -> bool:
        """Return True if invoke's --dry was given: nothing may change."""
        return self.host.dry

    def show_equivalent(self) -> None:
        """Print, once, the command line that does the same without prompts, if there were any."""
        if self.equivalent is not None:
            equivalent, self.equivalent = self.equivalent(), None
            self.screen.note(f"The same by flags: {equivalent}")

    def beside(self, screen: Screen, prompter: Prompter) -> Session:
        """Return a session of another thread, with the facts that are known by now."""
        other = Session(self.host, prompter, screen, alone=self.alone)
        other.argv, other.incus_project, other.now = self.argv, self.incus_project, self.now
        other._submitted = {key: facts for key, facts in self._submitted.items() if facts.known}
        return other

    def submit(self, pre_task: Callable[[Session], Future[R]]) -> Future[R]:
        """Start `pre_task`, once in a session, and return the future of its facts."""
        if pre_task not in self._submitted:
            self._submitted[pre_task] = pre_task(self)
        found: Future[R] = self._submitted[pre_task]
        return found

    def of(self, pre_task: Callable[[Session], Future[R]]) -> R:
        """Wait for the facts of `pre_task`, and return them."""
        return self.submit(pre_task).result()

    def discard_facts(self) -> None:
        """Discard all facts: something has changed since."""
        self._submitted.clear()

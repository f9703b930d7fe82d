"""Count the round trips of a command, which take most of its time on a slow line."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from unittest import mock
from weakref import WeakKeyDictionary

from repoman_tasks.commands import collection
from repoman_tasks.hosts.local import LocalHost
from repoman_tasks.hosts.ssh.answers import Answer
from repoman_tasks.hosts.ssh.fabric_transport import FabricTransport
from repoman_tasks.hosts.ssh.holder import HolderShell
from repoman_tasks.hosts.ssh.remote_host import RemoteHost
from repoman_tasks.hosts.ssh.shells import Check, Shell
from repoman_tasks.hosts.ssh.transport import SSHTransport
from repoman_tasks.mirror import sync_run
from repoman_tasks.model import Address
from repoman_tasks.session import Session
from repoman_tasks.terminal.prompter import Prompter
from repoman_tasks.terminal.screen import Recorder
from tests.support.ssh_estate import RemoteEstate

__all__ = ["count_round_trips"]


def count_round_trips(far: RemoteEstate, command: str, **arguments: object) -> int:
    """Return the round trips of a command that succeeds, without the handshake."""
    with _connect(far) as line, _count_trips() as clock:
        task = collection().tasks[command]
        host = RemoteHost("there", line, needs_holder=task.needs_holder)
        session = Session(host, Prompter(command, yes=False, no_input=True), Recorder())
        with session.stack:
            for pre_task in task.pre:
                session.submit(pre_task)
            assert not task(session, **arguments)
        return clock.trips


@contextmanager
def _connect(far: RemoteEstate) -> Iterator[SSHTransport]:
    """Yield a line by Fabric; OpenSSH takes one more round trip for each program that it starts."""
    far.sshd.set_session_environ(far.environ)
    line = FabricTransport(Address("there"), LocalHost(far.client_environ), None)
    try:
        yield line
    finally:
        line.close()


class _Clock:
    """A clock of round trips: a question takes one tick, simultaneous questions take the same one.

    Starting a shell takes two: for its session, and for its command.
    """

    def __init__(self) -> None:
        self.trips = 0
        self.early: set[int] = set()
        """Threads whose shell is started with the connection, however late they get to it."""
        self._ready: WeakKeyDictionary[Shell, int] = WeakKeyDictionary()
        self._due: WeakKeyDictionary[Shell, deque[int]] = WeakKeyDictionary()

    def start(self, shell: Shell, answers: int) -> None:
        """Count the start of a shell, which sends `answers` without a question."""
        begun = 0 if threading.get_ident() in self.early else self.trips
        self._ready[shell] = begun + 2
        self._due[shell] = deque([self._ready[shell]] * answers)

    def ask(self, shell: Shell, questions: int) -> None:
        """Count questions that are sent together."""
        due = max(self.trips, self._ready[shell]) + 1
        self._due[shell].extend([due] * questions)

    def receive(self, shell: Shell) -> None:
        """Count an answer, which comes no earlier than a trip after its question."""
        self.trips = max(self.trips, self._due[shell].popleft())


@contextmanager
def _count_trips() -> Iterator[_Clock]:
    """Yield a clock that counts for all shells that are started meanwhile.

    It knows no time, and what a sync records does not depend on how long nothing happens.
    """
    clock = _Clock()
    prepare = HolderShell._try_to_start
    start, send, answer, follow = Shell.__init__, Shell.send, Shell.answer, Shell.follow

    def started(shell: Shell, line: SSHTransport, *, first: bool = False) -> None:
        clock.start(shell, 2 if first else 1)
        start(shell, line, first=first)

    def prepared(keeper: HolderShell) -> None:
        clock.early.add(threading.get_ident())
        prepare(keeper)
        clock.early.clear()  # its number may be another's from now on

    def sent(shell: Shell, *calls: Sequence[str]) -> None:
        clock.ask(shell, len(calls))
        send(shell, *calls)

    def answered(shell: Shell, check: Check = lambda: None, *limits: int) -> Answer:
        answered = answer(shell, check, *limits)
        clock.receive(shell)
        return answered

    def followed(shell: Shell, *argv: str, **how: Callable[..., object]) -> str:
        end = follow(shell, *argv, **how)  # type: ignore[arg-type]
        clock.receive(shell)
        return end

    with (
        mock.patch.object(sync_run, "_QUIET_SECONDS", 600),
        mock.patch.object(HolderShell, "_try_to_start", prepared),
        mock.patch.object(Shell, "__init__", started),
        mock.patch.object(Shell, "send", sent),
        mock.patch.object(Shell, "answer", answered),
        mock.patch.object(Shell, "follow", followed),
    ):
        yield clock

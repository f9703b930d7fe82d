"""Connections to the hosts of a run."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from repoman_tasks.errors import Interrupted, RepomanError, UsageError
from repoman_tasks.hosts.base import Host
from repoman_tasks.hosts.local import LocalHost
from repoman_tasks.hosts.processes import waits
from repoman_tasks.hosts.signals import defer_signals
from repoman_tasks.model import Address
from repoman_tasks.registry import Store
from repoman_tasks.terminal.prompter import Prompter

if TYPE_CHECKING:
    from repoman_tasks.hosts.ssh.transport import SSHTransport

__all__ = ["Connections"]


class Connections:
    """The hosts of a run, as a context manager that closes them on exit."""

    def __init__(self, *, dry: bool) -> None:
        self._dry = dry
        self._hosts: dict[str, Host] = {}

    def __enter__(self) -> Connections:
        return self

    def __exit__(self, *error: object) -> None:
        with defer_signals():
            for host in list(self._hosts.values()):
                host.close()

    @contextlib.contextmanager
    def open(self, name: str, prompter: Prompter, *, needs_holder: bool) -> Iterator[Host]:
        """Yield the host called `name`, "" for this one; connect to it if it is not connected yet.

        If `needs_holder`, prepare the shell that holds locks and folders. If the context ends
        with a RepomanError, add the host to its message and close the host. Different hosts may be
        opened by several threads at the same time.
        """
        try:
            if name not in self._hosts:
                self._hosts[name] = _connect(name, prompter, needs_holder=needs_holder)
                self._hosts[name].dry = self._dry
            yield self._hosts[name]
        except RepomanError as error:
            error.where = name
            if host := self._hosts.pop(name, None):
                host.close()
            raise


def _connect(name: str, prompter: Prompter, *, needs_holder: bool = False) -> Host:
    """Connect to the host called `name`, "" for this one, and return it.

    `[hosts.NAME]` of this host's registry and ssh_config have its address. If `prompter` can, it
    prompts for passwords. Raise UsageError if `name` can't be that of a host.
    """
    local = LocalHost()
    if not name:
        return local
    if name.removeprefix("ssh://").startswith("-") or not name.isprintable() or " " in name:
        raise UsageError(f"{name!r} is not a valid host name", "pass one that `ssh` accepts")
    from repoman_tasks.hosts.ssh.remote_host import RemoteHost

    line = _open_line(Store(local).load().host(name), local, prompter)
    try:
        return RemoteHost(name, line, needs_holder=needs_holder)
    except BaseException:
        line.close()
        raise


def _open_line(address: Address, local: LocalHost, prompter: Prompter) -> SSHTransport:
    if address.transport == "openssh":
        from repoman_tasks.hosts.ssh.openssh_transport import OpensshTransport

        return OpensshTransport(address, local, asks=prompter.possible)
    from repoman_tasks.hosts.ssh.fabric_transport import FabricTransport

    return FabricTransport(address, local, _read_password if prompter.possible else None)


def _read_password(question: str) -> str:
    """Prompt for a line without echo, and return it. Raise Interrupted on Ctrl-D."""
    from getpass import getpass

    try:
        with waits.paused():
            return getpass(question)
    except EOFError:
        raise Interrupted("no answer, nothing was changed") from None

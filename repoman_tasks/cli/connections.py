"""The hosts of a run, each connected to once."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from repoman_tasks.errors import Interrupted, RepomanError, UsageError
from repoman_tasks.hosts.base import Host
from repoman_tasks.hosts.local import LocalHost
from repoman_tasks.hosts.signals import defer_signals
from repoman_tasks.model import Address
from repoman_tasks.registry import Store
from repoman_tasks.terminal.prompter import Prompter

if TYPE_CHECKING:
    from repoman_tasks.hosts.ssh.transport import Line

__all__ = ["Connections"]


class Connections:
    """The hosts of a run. It is a context manager, which lets go of all of them at its end."""

    def __init__(self, *, dry: bool) -> None:
        self._dry = dry
        self._open: dict[str, Host] = {}

    def __enter__(self) -> Connections:
        return self

    def __exit__(self, *error: object) -> None:
        with defer_signals():
            for host in list(self._open.values()):
                host.close()

    @contextlib.contextmanager
    def to(self, name: str, prompter: Prompter, *, holds: bool) -> Iterator[Host]:
        """The host called `name`; safe to be called at once for different ones.

        `holds` is whether something there is going to be kept in use.
        An error on another host says on which, and lets go of it: what comes next connects anew.
        """
        try:
            if name not in self._open:
                self._open[name] = _connect(name, prompter, holds=holds)
                self._open[name].dry = self._dry
            yield self._open[name]
        except RepomanError as error:
            error.where = name
            if host := self._open.pop(name, None):
                host.close()
            raise


def _connect(name: str, prompter: Prompter, *, holds: bool = False) -> Host:
    """The host called `name`, this one where that is empty.

    How it is reached is said by `[hosts.NAME]` of this host's registry and by ssh_config. On a
    terminal a person is asked for what is needed to log in. `holds` is whether something there is
    going to be kept in use: that is prepared at once.
    """
    here = LocalHost()
    if not name:
        return here
    if name.startswith("-") or not name.isprintable() or " " in name:
        raise UsageError(f"{name!r} is no host", "name one that `ssh` knows")
    from repoman_tasks.hosts.ssh.remote_host import RemoteHost

    line = _line(Store(here).load().host(name), here, prompter)
    try:
        return RemoteHost(name, line, holds=holds)
    except BaseException:
        line.close()
        raise


def _line(address: Address, here: LocalHost, prompter: Prompter) -> Line:
    if address.transport == "openssh":
        from repoman_tasks.hosts.ssh.openssh_transport import OpensshLine

        return OpensshLine(address, here, asks=prompter.possible)
    from repoman_tasks.hosts.ssh.fabric_transport import FabricLine

    return FabricLine(address, here, _typed if prompter.possible else None)


def _typed(question: str) -> str:
    """What a person types without its being shown."""
    from getpass import getpass

    try:
        return getpass(question)
    except EOFError:
        raise Interrupted("no answer, nothing was changed") from None

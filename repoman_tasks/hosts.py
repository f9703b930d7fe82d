"""Which host a command works on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from repoman_tasks.ask import Ask
from repoman_tasks.errors import Interrupted, UsageError
from repoman_tasks.host import Host
from repoman_tasks.local import LocalHost
from repoman_tasks.model import Address
from repoman_tasks.registry import Store

if TYPE_CHECKING:
    from repoman_tasks.remote.wire import Line

__all__ = ["connect"]


def connect(name: str, ask: Ask, *, holds: bool = False) -> Host:
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
    from repoman_tasks.remote.host import RemoteHost

    line = _line(Store(here).load().host(name), here, ask)
    try:
        return RemoteHost(name, line, holds=holds)
    except BaseException:
        line.close()
        raise


def _line(address: Address, here: LocalHost, ask: Ask) -> Line:
    if address.transport == "openssh":
        from repoman_tasks.remote.openssh_line import OpensshLine

        return OpensshLine(address, here, asks=ask.possible)
    from repoman_tasks.remote.fabric_line import FabricLine

    return FabricLine(address, _typed if ask.possible else None)


def _typed(question: str) -> str:
    """What a person types without its being shown."""
    from getpass import getpass

    try:
        return getpass(question)
    except EOFError:
        raise Interrupted("no answer, nothing was changed") from None

"""The hosts of a run, each connected to once."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from repoman_tasks.ask import Ask
from repoman_tasks.errors import RepomanError
from repoman_tasks.host import Host
from repoman_tasks.hosts import connect
from repoman_tasks.signals import undisturbed

__all__ = ["Connections"]


class Connections:
    """The hosts of a run. It is a context manager, which lets go of all of them at its end."""

    def __init__(self, *, dry: bool) -> None:
        self._dry = dry
        self._open: dict[str, Host] = {}

    def __enter__(self) -> Connections:
        return self

    def __exit__(self, *error: object) -> None:
        with undisturbed():
            for host in list(self._open.values()):
                host.close()

    @contextlib.contextmanager
    def to(self, name: str, ask: Ask, *, holds: bool) -> Iterator[Host]:
        """The host called `name`; safe to be called at once for different ones.

        `holds` is whether something there is going to be kept in use.
        An error on another host says on which, and lets go of it: what comes next connects anew.
        """
        try:
            if name not in self._open:
                self._open[name] = connect(name, ask, holds=holds)
                self._open[name].dry = self._dry
            yield self._open[name]
        except RepomanError as error:
            error.where = name
            if host := self._open.pop(name, None):
                host.close()
            raise

"""Keeps other writers out of a file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from repoman_tasks.errors import Busy
from repoman_tasks.hosts.base import Host, Locked

__all__ = ["write_lock"]

_WAIT_SECONDS = 60.0
"""Time limit for another writer."""


@contextmanager
def write_lock(host: Host, path: str) -> Iterator[None]:
    """Hold the lock of the file at `path`; raise Busy if another writer does not release it."""
    try:
        with host.lock(f"{path}.lock", wait_seconds=_WAIT_SECONDS):
            yield
    except Locked as error:
        raise Busy(f"{path} is {error}", "wait until that has ended, then try again") from None

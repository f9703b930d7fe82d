"""Holds a lock for as long as a command runs."""

from __future__ import annotations

from repoman_tasks.errors import Busy
from repoman_tasks.hosts.base import Locked
from repoman_tasks.session import Session

__all__ = ["LOCK_SECONDS", "hold_lock"]

LOCK_SECONDS = 10.0
"""Time to wait for another command that only writes a few files."""


def hold_lock(session: Session, path: str, busy: str, *, wait_seconds: float = 0) -> None:
    """Hold the lock at `path` until the session ends.

    Raise Busy, which says `busy` and by whom, if it is not free within `wait_seconds`.
    """
    lock = session.host.lock(path, wait_seconds=wait_seconds)
    try:
        session.stack.enter_context(lock)
    except Locked as error:
        raise Busy(f"{busy}, {error}", "let it finish") from None

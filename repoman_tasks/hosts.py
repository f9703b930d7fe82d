"""Which host a command works on."""

from __future__ import annotations

import os

from repoman_tasks.errors import UsageError
from repoman_tasks.host import Host
from repoman_tasks.local import LocalHost

__all__ = ["connect"]


def connect(name: str | None) -> Host:
    """The host called `name`; by default that in REPOMAN_HOST, or this one."""
    wanted = name if name is not None else os.environ.get("REPOMAN_HOST", "")
    if wanted:
        raise UsageError(
            f"host {wanted!r} can't be reached, this version works on its own host only",
            "leave out --host and REPOMAN_HOST",
        )
    return LocalHost()

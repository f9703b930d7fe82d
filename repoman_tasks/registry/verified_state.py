"""Keep what `verify` has proven of each mirror: state, apart from the registry.

It is kept apart from the state of the mirrors, too, because a sync leaves it as it is. Losing it
only loses the record of what was proven.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from repoman_tasks.hosts.base import Future, Host
from repoman_tasks.model import Verified
from repoman_tasks.registry.write_lock import write_lock

__all__ = ["VerifiedState"]


class VerifiedState:
    """Read and write what was proven, by project, in the state folder `folder`."""

    def __init__(self, host: Host, folder: str) -> None:
        self._host = host
        self.folder = folder
        self.path = f"{folder}/verified.json"

    def submit_load(self) -> Future[dict[str, Verified]]:
        """Ask for what was proven, by project; what can't be read is left out."""
        return self._host.submit_file(self.path).then(lambda data: _parsed(data or b""))

    def rename(self, name: str, to: str) -> None:
        """Rename a project in what was proven, under a lock."""
        with write_lock(self._host, self.path):
            known = self.submit_load().result()
            if name in known:
                self._write({to if key == name else key: value for key, value in known.items()})

    def record(self, name: str, verified: Verified) -> None:
        """Write what was proven of the project called `name`, under a lock."""
        with write_lock(self._host, self.path):
            known = {**self.submit_load().result(), name: verified}
            self._write(known)

    def _write(self, known: Mapping[str, Verified]) -> None:
        tables = {project: vars(state) for project, state in known.items()}
        text = json.dumps({"schema": 1, "projects": tables}, indent=1)
        self._host.write_file(self.path, f"{text}\n".encode(), noted=False)


def _parsed(data: bytes) -> dict[str, Verified]:
    found = {}
    with suppress(ValueError, LookupError, TypeError, AttributeError, RecursionError):
        for name, table in json.loads(data)["projects"].items():
            with suppress(ValueError, LookupError, TypeError):
                found[name] = _verified(table)
    return found


def _verified(table: Mapping[str, Any]) -> Verified:
    """Return what is in `table`. Raise an error if it has another form."""
    last, after, created = (table[key] for key in ("last_verified", "after", "created"))
    damaged = tuple(table["damaged"])
    if not all(isinstance(text, str) for text in (last, after, created, *damaged)):
        raise TypeError
    return Verified(last, int(table["proven"]), after, damaged, created)

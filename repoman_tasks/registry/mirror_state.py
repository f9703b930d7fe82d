"""Facts that repoman saw of the mirrors, by project: state, apart from the registry.

The registry says what should exist; this says what the last syncs left. Losing it loosens no
guard: then the files in the mirrors are counted instead.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from repoman_tasks.errors import Busy
from repoman_tasks.hosts.base import Host, Locked
from repoman_tasks.model import Mirrored, Tally
from repoman_tasks.registry.names_file import state_folder

__all__ = ["MirrorState"]

_SCHEMA = 1
_COUNTS = ("files", "loose", "packs", "tree")
_WAIT_SECONDS = 60.0
"""Time limit for another writer of the state."""


class MirrorState:
    """Read and write the state of the mirrors of the registry at `registry_path`."""

    def __init__(self, host: Host, registry_path: str) -> None:
        self._host = host
        self.folder = f"{state_folder(host)}/mirrors/{registry_path.replace('/', '%')}"
        self.path = f"{self.folder}/state.json"

    def load(self) -> dict[str, Mirrored]:
        """Return the states by project; those that can't be read are left out."""
        return _parsed(self._host.read_file(self.path) or b"")

    def update(self, change: Callable[[dict[str, Mirrored]], Mapping[str, Mirrored]]) -> None:
        """Replace the states by those that `change` returns for them, under a lock."""
        try:
            with self._host.lock(f"{self.path}.lock", wait_seconds=_WAIT_SECONDS):
                before = self.load()
                after = change(dict(before))
                if after != before:
                    self._host.write_file(self.path, _text(after), noted=False)
        except Locked as error:
            raise Busy(
                f"{self.path} is {error}", "wait until that has ended, then try again"
            ) from None


def _text(states: Mapping[str, Mirrored]) -> bytes:
    """Return the file's content: JSON with a line for each project."""
    lines = (f"{json.dumps(name)}: {json.dumps(_table(state))}" for name, state in states.items())
    projects = ",\n".join(lines)
    return f'{{"schema": {_SCHEMA}, "projects": {{\n{projects}\n}}}}\n'.encode()


def _table(state: Mirrored) -> dict[str, Any]:
    return {"last_sync": state.last_sync, **vars(state.tally)}


def _parsed(data: bytes) -> dict[str, Mirrored]:
    try:
        document = json.loads(data)
        tables = document["projects"] if document["schema"] == _SCHEMA else {}
        pairs = [(name, _mirrored(table)) for name, table in tables.items()]
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return {}
    return {name: state for name, state in pairs if state is not None}


def _mirrored(table: Mapping[str, Any]) -> Mirrored | None:
    """Return the state in `table`, None if it has another form."""
    texts = [table.get(key) for key in ("last_sync", "packs", "tree")]
    numbers = [table.get(key) for key in ("files", "loose")]
    if not all(isinstance(text, str) for text in texts):
        return None
    if not all(type(number) is int and number >= 0 for number in numbers):
        return None
    return Mirrored(table["last_sync"], Tally(*(table[key] for key in _COUNTS)))

"""The log of syncs and restores: a line for each, in a file of limited size."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from repoman_tasks.errors import RepomanError
from repoman_tasks.hosts.base import Future, Host
from repoman_tasks.planning.mirror.attempts import Record, records_in, records_text, without_older

__all__ = ["AttemptLog"]

_MAX_BYTES = 4 << 20
"""Size at which the older half is removed: about 20000 records."""


class AttemptLog:
    """The file at `path`. Writers hold the lock of the state; readers need none."""

    def __init__(self, host: Host, path: str) -> None:
        self._host = host
        self.path = path

    def submit_append(self, records: Sequence[Record]) -> Future[None]:
        """Submit `records`, to be appended when the result is awaited. It never fails: no sync
        may, because its record can't be written."""
        if not records:
            return Future(lambda: None)
        return Future(
            partial(self._limit, self._host.submit_append(self.path, records_text(records)))
        )

    def _limit(self, size: Future[int]) -> None:
        with contextlib.suppress(RepomanError):
            if size.result() > _MAX_BYTES:
                data = self._host.read_file(self.path) or b""
                kept = without_older(data, _MAX_BYTES // 2)
                self._host.write_file(self.path, kept, noted=False)

    def rename(self, name: str, to: str) -> None:
        """Rename a project in all records; the caller holds the lock of the state."""
        records = self.submit_read().result()
        if any(record.project == name for record in records):
            renamed = [replace(r, project=to) if r.project == name else r for r in records]
            self._host.write_file(self.path, records_text(reversed(renamed)), noted=False)

    def submit_read(self) -> Future[list[Record]]:
        """Ask for all records, newest first."""
        return self._host.submit_file(self.path).then(lambda data: records_in(data or b""))

"""Records what a person has seen of the hazards in a repo, and what `status` listed last.

A file per repo each, in the state folder, which no container has.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import suppress

from repoman_tasks.errors import Failed
from repoman_tasks.hosts.base import Future, Host
from repoman_tasks.late_dataclass import dataclass
from repoman_tasks.planning.trust.hazard_findings import Hazard, Marks, merged_marks
from repoman_tasks.registry.names_file import state_folder
from repoman_tasks.tools.approvals import state_path

__all__ = ["Listing", "read_listing", "record_listing", "record_seen", "submit_seen"]
__all__ += ["was_recorded"]

_SCHEMA = 1


@dataclass(frozen=True)
class Listing:
    """List that `status NAME` showed to a person, and its time."""

    time: str
    marks: Marks


def submit_seen(host: Host, repo: str) -> Future[Marks]:
    """Ask for the hazards in `repo` that a person has seen, with their marks."""
    return host.submit_file(_path(host, repo)).then(_parse_marks)


def _parse_marks(data: bytes | None) -> Marks:
    try:
        return _marks(json.loads(data or b"{}"))
    except (ValueError, AttributeError, TypeError):
        return {}


def _marks(stored: dict[str, str | list[str]]) -> Marks:
    """Return marks as they are stored; before 0.3 a hazard had a single one."""
    return {
        what: [marks] if isinstance(marks, str) else [str(mark) for mark in marks]
        for what, marks in stored.items()
    }


def was_recorded(host: Host, repo: str) -> bool:
    """Return True if `record_seen` was ever called for `repo`, even with no hazards."""
    return host.read_file(_path(host, repo)) is not None


def record_seen(host: Host, repo: str, marks: Marks) -> None:
    """Record that a person has seen hazards in `repo` with these marks."""
    with host.lock(f"{state_folder(host)}/seen.lock", wait_seconds=10):
        seen = submit_seen(host, repo).result()
        text = json.dumps(merged_marks(seen, marks), indent=2)
        host.write_file(_path(host, repo), f"{text}\n".encode())
        _write_listing(host, repo, "", {})  # each listing is accepted once


def read_listing(host: Host, repo: str) -> Listing | None:
    """Return what was listed last of `repo` and not accepted since, None if nothing was."""
    data = host.read_file(state_path(host, "listed", repo))
    try:
        stored = json.loads(data or b"{}")
        if stored["schema"] != _SCHEMA or not stored["marks"]:
            return None
        return Listing(str(stored["time"]), _marks(stored["marks"]))
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def record_listing(host: Host, repo: str, hazards: Iterable[Hazard], now: str) -> None:
    """Record that `hazards` were listed. If that fails, they can't be accepted, which is safe."""
    with suppress(Failed), host.lock(f"{state_folder(host)}/seen.lock", wait_seconds=10):
        _write_listing(host, repo, now, {hazard.what: hazard.marks for hazard in hazards})


def _write_listing(host: Host, repo: str, now: str, marks: Marks) -> None:
    path = state_path(host, "listed", repo)
    if not marks and host.read_file(path) is None:
        return
    stored = {"schema": _SCHEMA, "time": now, "marks": {k: list(v) for k, v in marks.items()}}
    host.write_file(path, f"{json.dumps(stored, indent=2)}\n".encode())


def _path(host: Host, repo: str) -> str:
    return state_path(host, "seen", repo)

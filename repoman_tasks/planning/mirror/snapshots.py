"""Snapshots of the share: the time of each by its name, and the one that a person names. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import datetime, time, timedelta, timezone, tzinfo

from repoman_tasks.errors import UsageError
from repoman_tasks.late_dataclass import dataclass
from repoman_tasks.model import Project
from repoman_tasks.planning.findings import Finding
from repoman_tasks.planning.text.wording import format_age, hours_since

__all__ = [
    "NO_SNAPSHOTS",
    "NO_SNAPSHOTS_CURE",
    "Snapshot",
    "find_snapshot",
    "newest_first",
    "parse_when",
    "snapshot_findings",
    "snapshot_time",
]

_UTC = timezone(timedelta())
_DATE = r"(\d{4})[-._]?(\d{2})[-._]?(\d{2})"
_TIME = r"(\d{2})[-._:h]?(\d{2})(?:[-._:m]?(\d{2}))?"
_STAMP = re.compile(rf"(?<!\d){_DATE}(?:[-._@T ]?{_TIME})?(?!\d)")
NO_SNAPSHOTS = "no snapshots of it were found, so a mirror is the only copy of a repo"
NO_SNAPSHOTS_CURE = (
    "let the file server take some every night, or set snapshots in [defaults] to where they are"
)
_OLD_SNAPSHOTS_CURE = "check the file server's schedule: it should take one after each night's sync"
_AGO = re.compile(r"(\d{1,5}) ?(minute|hour|day|week)s? ago")


@dataclass(frozen=True)
class Snapshot:
    """A snapshot of the share."""

    name: str
    root: str
    """Path of the snapshot of the share's root."""
    taken: datetime | None
    """When it was taken; None if its name does not tell."""


def snapshot_time(name: str, zone: tzinfo) -> datetime | None:
    """Return the time in the name of a snapshot, None if there is none.

    zfs-auto-snapshot, sanoid, zrepl, TrueNAS and Samba (`@GMT-…`) put it there; it is in `zone`,
    except for Samba's, and zrepl's with `_000`, which are in UTC.
    """
    match = _STAMP.search(name)
    if match is None:
        return None
    parts = [int(part or 0) for part in match.groups()]
    in_utc = name.startswith("@GMT-") or name.startswith("_000", match.end())
    try:
        return datetime(*parts, tzinfo=_UTC if in_utc else zone)  # type: ignore[arg-type,misc]
    except ValueError:
        return None


def snapshot_findings(
    names: Iterable[str], zone: tzinfo, projects: Iterable[Project], now: str, max_hours: float
) -> list[Finding]:
    """Return a note if no snapshot of the share is called one of `names`, or if all are old.

    They are old if the newest was taken over `max_hours` before the last sync of one of `projects`.
    """
    last_sync = max((project.last_sync for project in projects if project.backup), default="")
    if not last_sync:
        return []
    names = list(names)
    if not names:
        return [Finding("share", NO_SNAPSHOTS, NO_SNAPSHOTS_CURE, False, kind="snapshots")]
    times = [taken for name in names if (taken := snapshot_time(name, zone))]
    newest = max(times, default=None)
    if newest is None or hours_since(newest.isoformat(), last_sync) <= max_hours:
        return []
    what = f"its newest snapshot was taken {format_age(newest.isoformat(), now)}"
    return [Finding("share", what, _OLD_SNAPSHOTS_CURE, False, kind="snapshots")]


def parse_when(text: str, now: datetime) -> datetime | None:
    """Return the time that `text` stands for, None if it may be the name of a snapshot.

    A day means its end. `now` has a time zone, in which a time without one is meant.
    """
    text = " ".join(text.split())
    if text == "now":
        return now
    if text == "yesterday":
        return _end_of_day(now - timedelta(days=1))
    if ago := _AGO.fullmatch(text):
        try:
            return now - timedelta(**{f"{ago[2]}s": int(ago[1])})
        except OverflowError:
            return None
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        return None
    when = when if when.tzinfo else when.replace(tzinfo=now.tzinfo)
    return _end_of_day(when) if re.fullmatch(r"\d{4}-?\d{2}-?\d{2}", text) else when


def _end_of_day(when: datetime) -> datetime:
    return datetime.combine(when.date(), time.max, when.tzinfo)


def newest_first(snapshots: Iterable[Snapshot]) -> list[Snapshot]:
    """Return the snapshots, the newest first; at the end those of unknown time."""
    known = [snapshot for snapshot in snapshots if snapshot.taken is not None]
    others = [snapshot for snapshot in snapshots if snapshot.taken is None]
    known.sort(key=lambda snapshot: (snapshot.taken, snapshot.name), reverse=True)
    return [*known, *sorted(others, key=lambda snapshot: snapshot.name)]


def find_snapshot(snapshots: Sequence[Snapshot], at: str, now: datetime) -> Snapshot:
    """Return the snapshot called `at`, or the last one that was taken at or before that time.

    Raise UsageError if there is none.
    """
    if not snapshots:
        raise UsageError(
            "no snapshot of the share was found", "set snapshots in [defaults] to where they are"
        )
    named = next((snapshot for snapshot in snapshots if snapshot.name == at), None)
    if named is not None:
        return named
    when = parse_when(at, now)
    if when is None:
        raise UsageError(
            f"--at {at!r} is neither a time nor the name of a snapshot",
            'write "2026-11-20", "2026-11-20T03:17", "yesterday" or "3 days ago"',
        )
    ordered = newest_first(snapshots)
    before = (s for s in ordered if s.taken is not None and s.taken <= when)
    found = next(before, None)
    if found is None:
        oldest = next((s for s in reversed(ordered) if s.taken is not None), None)
        known = f"the oldest is {oldest.name}" if oldest else "no name of a snapshot has a time"
        raise UsageError(f"no snapshot is as old as --at {at!r}", known)
    return found

"""The contents of a repo in the last fourteen days, to notice a loss spread over several. Pure.

A loss of less than `max_shrink` passes each check that compares with the last sync only. So each
complete sync notes, for its day, the best that the repo had; and from time to time a sample of its
files' names, which shows how many of them are still there, whatever was added. The names are hashed
with a key that no container knows: nobody can keep just those that are in the sample.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime
from typing import TypeVar

from repoman_tasks.errors import Refused, quoted
from repoman_tasks.late_dataclass import dataclass
from repoman_tasks.planning.text.wording import format_size, plural

__all__ = [
    "CAP",
    "SAMPLED",
    "Anchor",
    "Baseline",
    "Contents",
    "baseline_text",
    "check_contents",
    "check_overwritten",
    "has_in_common",
    "needs_copy",
    "parse_baseline",
    "with_sync",
]

CAP = 64 << 10
"""Bytes of a file that count: a few large files say little about how much was lost."""
SAMPLED = 256
"""Number of names in a sample."""
_DAYS = 14
_ANCHOR_DAYS = 7
_FEW_FILES = 20
"""Number of files that may always become empty, or be overwritten."""
_FEW_NAMES = 100
"""Number of files that may always go, as of `source_check`."""
_FEW_BYTES = _FEW_FILES * CAP
_MARGIN = 0.1
"""Allowed error of a sample of names: three times its standard deviation."""
_GROWN = 1.1
_SHINGLE = 6
"""Number of bytes in a row that two files have in common or not."""
_IN_COMMON = 0.05
_SCHEMA = 1

T = TypeVar("T")


@dataclass(frozen=True)
class Contents:
    """The contents of a repo outside of its git directories, which have guards of their own."""

    files: int = 0
    """Number of all files, with those in git directories, but without loose objects."""
    filled: int = 0
    """Number of files that are not empty."""
    content: int = 0
    """Their bytes, `CAP` of a file at most."""
    overwritten: int = 0
    """Number of files that syncs of this day overwrote with something else altogether."""
    lost: int = 0
    """Number of commits that they took from the mirror."""

    def best(self, other: Contents) -> Contents:
        """Return the best of both, and the sum of what they took."""
        return Contents(
            max(self.files, other.files),
            max(self.filled, other.filled),
            max(self.content, other.content),
            self.overwritten + other.overwritten,
            self.lost + other.lost,
        )


@dataclass(frozen=True)
class Anchor:
    """A sample of the names that a repo had on a day: the smallest of their hashes."""

    day: str
    count: int
    """Number of names from which it is."""
    names: tuple[int, ...]


@dataclass(frozen=True)
class Baseline:
    """The recent contents of the mirror of a project."""

    key: str
    """Hexadecimal; for the hashes."""
    days: tuple[tuple[str, Contents], ...] = ()
    anchors: tuple[Anchor, ...] = ()
    copied: Contents = Contents()
    """The best when the copy on the share was written."""

    @property
    def known(self) -> frozenset[int]:
        """Return the hashes of all sampled names."""
        return frozenset(name for anchor in self.anchors for name in anchor.names)

    def best(self, today: str) -> Contents:
        """Return the best of the last days, and of the last sync."""
        best = Contents()
        for _, contents in _recent(self.days, today, lambda entry: entry[0]):
            best = best.best(contents)
        return best


def check_contents(
    name: str,
    path: str,
    now: Contents,
    still: frozenset[int],
    baseline: Baseline,
    today: str,
    max_shrink: float,
) -> None:
    """Raise Refused if the repo at `path` lost too much of what it had in the last days.

    `still` are the hashes of `baseline.known` that it still has.
    """
    best, part = baseline.best(today), 1 - max_shrink
    if now.files < best.files * part:
        _refuse(name, path, plural(now.files, "file"), f"{best.files}", max_shrink)
    lost = best.filled - now.filled
    all_empty = not now.filled and best.filled > 2
    if all_empty or (now.filled < best.filled * part and lost > _FEW_FILES):
        held = f"{plural(now.filled, 'file')} that are not empty"
        _refuse(name, path, held, f"{best.filled}", max_shrink)
    if now.content < best.content * part and best.content - now.content > _FEW_BYTES:
        sizes = format_size(now.content), format_size(best.content)
        _refuse(name, path, f"{sizes[0]} in its files", sizes[1], max_shrink)
    for anchor in _recent(baseline.anchors, today, lambda one: one.day):
        gone = 1 - len(still.intersection(anchor.names)) / len(anchor.names)
        if gone > max_shrink + _MARGIN and gone * anchor.count > _FEW_NAMES:
            held = f"{round(100 * (1 - gone))} % of the files that it had on {anchor.day}"
            raise Refused(f"{path} holds {held} (max_shrink = {max_shrink:g})", _cure(name))


def _refuse(name: str, path: str, now: str, best: str, max_shrink: float) -> None:
    what = f"{path} holds {now}, in the last {_DAYS} days it held {best}"
    raise Refused(f"{what} (max_shrink = {max_shrink:g})", _cure(name))


def check_overwritten(
    name: str, path: str, overwritten: int, baseline: Baseline, today: str, max_shrink: float
) -> None:
    """Raise Refused if too many files were `overwritten` with something else altogether."""
    best = baseline.best(today)
    count = overwritten + best.overwritten
    if overwritten > _FEW_FILES and count > best.filled * max_shrink:
        files = plural(count, "file")
        what = f"{files} of {best.filled} in {path} now hold something else altogether"
        raise Refused(f"{what} (max_shrink = {max_shrink:g})", _cure(name))


def _cure(name: str) -> str:
    return (
        f"get the mirror's content by `repoman restore {quoted(name)}`; only if the repo is right, "
        f"`repoman sync {quoted(name)} --force` makes the mirror equal to it"
    )


def has_in_common(old: bytes, new: bytes) -> bool:
    """Return True if `new` may be an edit of `old`, also one by a formatter."""
    before, after = (b"".join(data.split()) for data in (old, new))
    if len(before) < 4 * _SHINGLE:
        return bool(after) or not before
    known = {after[n : n + _SHINGLE] for n in range(len(after) - _SHINGLE + 1)}
    shingles = {before[n : n + _SHINGLE] for n in range(len(before) - _SHINGLE + 1)}
    return len(shingles & known) >= _IN_COMMON * len(shingles)


def with_sync(
    baseline: Baseline, today: str, now: Contents, names: Iterable[int], count: int
) -> Baseline:
    """Return the baseline after a complete sync of a repo with `now`.

    `names` are the `SAMPLED` smallest hashes of the `count` names in it.
    """
    days = {day: contents for day, contents in baseline.days if _age(day, today) < _DAYS}
    days[today] = days.get(today, Contents()).best(now)
    anchors = [anchor for anchor in baseline.anchors if _age(anchor.day, today) < _DAYS]
    if count and not any(_age(anchor.day, today) < _ANCHOR_DAYS for anchor in anchors):
        anchors.append(Anchor(today, count, tuple(sorted(names))))
    return replace(baseline, days=tuple(sorted(days.items())), anchors=tuple(anchors))


def needs_copy(before: Baseline, after: Baseline, today: str) -> bool:
    """Return True if the copy on the share says too little after a sync: it may be older."""
    best, copied = after.best(today), after.copied
    grown = (
        best.files > copied.files * _GROWN
        or best.filled > copied.filled * _GROWN
        or best.content > copied.content * _GROWN
    )
    return grown or before.anchors != after.anchors or before.key != after.key


def _recent(entries: Iterable[T], today: str, day: Callable[[T], str]) -> list[T]:
    """Return the entries of the last days, at least the last one."""
    entries = list(entries)
    return [one for one in entries[:-1] if _age(day(one), today) < _DAYS] + entries[-1:]


def _age(day: str, today: str) -> int:
    """Return the days between; 0 if the clock was set back."""
    return max(0, _ordinal(today) - _ordinal(day))


def _ordinal(day: str) -> int:
    return datetime.fromisoformat(day).toordinal()


def baseline_text(baseline: Baseline) -> bytes:
    """Return the content of the file of a baseline."""
    table = {
        "schema": _SCHEMA,
        "key": baseline.key,
        "days": [[day, *_numbers(contents)] for day, contents in baseline.days],
        "anchors": [
            [one.day, one.count, [f"{n:x}" for n in one.names]] for one in baseline.anchors
        ],
        "copied": _numbers(baseline.copied),
    }
    return json.dumps(table).encode()


def parse_baseline(data: bytes) -> Baseline | None:
    """Parse the content of the file of a baseline; None if it has another form."""
    try:
        table = json.loads(data)
        if table["schema"] != _SCHEMA:
            return None
        days = [(day, Contents(*map(int, rest))) for day, *rest in table["days"]]
        anchors = [
            Anchor(day, int(count), tuple(int(name, 16) for name in names))
            for day, count, names in table["anchors"]
        ]
        for day in [day for day, _ in days] + [anchor.day for anchor in anchors]:
            _ordinal(day)
        bytes.fromhex(table["key"])
        copied = Contents(*map(int, table["copied"]))
        return Baseline(table["key"], tuple(days), tuple(a for a in anchors if a.names), copied)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None


def _numbers(contents: Contents) -> list[int]:
    now = contents
    return [now.files, now.filled, now.content, now.overwritten, now.lost]

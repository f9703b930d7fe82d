"""Formatting of numbers, times, URLs and values for people."""

from __future__ import annotations

import json
from datetime import datetime

__all__ = ["format_age", "format_counts", "format_seconds", "format_size", "format_toml"]
__all__ += ["hours_since", "in_future", "plural", "printable_setting", "redact_url"]

_CLOCKS_DIFFER_HOURS = 1.0
"""Hours by which a time may be ahead, as of another host or after a change of the clock."""


def hours_since(then: str, now: str) -> float:
    """Return the hours from `then` to `now`, both in ISO 8601."""
    return (datetime.fromisoformat(now) - datetime.fromisoformat(then)).total_seconds() / 3600


def format_age(then: str, now: str) -> str:
    """Format the time since `then`: "never" (if empty), "just now", "5 min ago", "12 d ago".

    A time that is yet to come, by more than clocks differ, is "3 d in the future".
    """
    if not then:
        return "never"
    minutes = int(hours_since(then, now) * 60)
    if in_future(then, now):
        return f"{_format_minutes(-minutes)} in the future"
    return "just now" if minutes < 1 else f"{_format_minutes(minutes)} ago"


def _format_minutes(minutes: int) -> str:
    if minutes < 60:
        return f"{minutes} min"
    return f"{minutes // 60} h" if minutes < 48 * 60 else f"{minutes // 1440} d"


def in_future(then: str, now: str) -> bool:
    """Return True if `then` is so far ahead that a clock must have been wrong."""
    return hours_since(then, now) < -_CLOCKS_DIFFER_HOURS


def format_size(count: int) -> str:
    """Format a number of bytes: "0 B", "1.5 KiB", "20 GiB"."""
    value, units = float(count), iter(("B", "KiB", "MiB", "GiB"))
    for unit in units:
        if value < 1024:
            return f"{value:.0f} {unit}" if unit == "B" or value >= 10 else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} TiB"


def format_seconds(value: float) -> str:
    """Format a duration in seconds: "0.4 s", "12 s", "3 min 5 s"."""
    if value < 10:
        return f"{value:.1f} s"
    if value < 120:
        return f"{value:.0f} s"
    return f"{int(value) // 60} min {int(value) % 60} s"


def plural(count: int, one: str, many: str = "") -> str:
    """Format a count with its noun: "1 project", "3 projects"."""
    return f"{count} {one if count == 1 else many or one + 's'}"


def format_counts(changed: int, new: int, deleted: int, sent: int) -> str:
    """Format the result of a sync: numbers of entries, and bytes sent."""
    if not (changed or new or deleted):
        return "nothing to do"
    return f"{changed} changed, {new} new, {deleted} deleted, {format_size(sent)}"


def format_toml(value: object) -> str:
    """Format a value as in the registry."""
    if hasattr(value, "isoformat"):
        return str(value)
    return json.dumps(
        list(value) if isinstance(value, tuple) else value, ensure_ascii=False, default=str
    )


def printable_setting(value: object) -> object:
    """Return a setting without a table: mounts as phrases, of variables only the names."""
    if not isinstance(value, tuple):
        return value
    return tuple(str(entry[0] if isinstance(entry, tuple) else entry) for entry in value)


def redact_url(url: str) -> str:
    """Return the URL of a repo with possible secrets replaced by "…".

    These are user information and the query; a user name alone is kept for SSH. Paths on this
    host are returned unchanged.
    """
    scheme, mark, rest = url.partition("://") if "://" in url else ("", "", url)
    if not scheme and rest.startswith(("/", ".", "~")):
        return url
    user, at, location = rest.rpartition("@")
    if at and (":" in user or scheme not in ("", "ssh", "git+ssh")):
        user = "…"
    location, query, _ = location.partition("?")
    return f"{scheme}{mark}{user}{at}{location}{query and '?…'}"

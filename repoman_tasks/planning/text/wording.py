"""Numbers and times as people read them."""

from __future__ import annotations

import json
from datetime import datetime

__all__ = ["age", "hours_since", "plural", "seconds", "shown_url", "size", "sum_line"]
__all__ += ["toml_value"]


def hours_since(then: str, now: str) -> float:
    """Hours from `then` to `now`, both as the registry writes times."""
    return (datetime.fromisoformat(now) - datetime.fromisoformat(then)).total_seconds() / 3600


def age(then: str, now: str) -> str:
    """How long ago `then` is: "never", "just now", "5 min ago", "3 h ago", "12 d ago"."""
    if not then:
        return "never"
    minutes = int(hours_since(then, now) * 60)
    if minutes < 1:
        return "just now"
    if minutes < 60:
        return f"{minutes} min ago"
    return f"{minutes // 60} h ago" if minutes < 48 * 60 else f"{minutes // 1440} d ago"


def size(count: int) -> str:
    """Bytes in a unit that keeps the number short: "0 B", "1.5 KiB", "20 GiB"."""
    value, units = float(count), iter(("B", "KiB", "MiB", "GiB"))
    for unit in units:
        if value < 1024:
            return f"{value:.0f} {unit}" if unit == "B" or value >= 10 else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} TiB"


def seconds(value: float) -> str:
    """A duration: "0.4 s", "12 s", "3 min 5 s"."""
    if value < 10:
        return f"{value:.1f} s"
    if value < 120:
        return f"{value:.0f} s"
    return f"{int(value) // 60} min {int(value) % 60} s"


def plural(count: int, one: str, many: str = "") -> str:
    """ "1 project", "3 projects"."""
    return f"{count} {one if count == 1 else many or one + 's'}"


def sum_line(changed: int, new: int, deleted: int, sent: int) -> str:
    """What changed, in one phrase."""
    if not (changed or new or deleted):
        return "nothing to do"
    return f"{changed} changed, {new} new, {deleted} deleted, {size(sent)}"


def toml_value(value: object) -> str:
    """A value as a person writes it into the registry."""
    if hasattr(value, "isoformat"):
        return str(value)
    return json.dumps(
        list(value) if isinstance(value, tuple) else value, ensure_ascii=False, default=str
    )


def shown_url(url: str) -> str:
    """The URL of a repo without what may be secret in it: a password, a token, a query.

    A user of SSH alone is none, and a path of this host stays as it is.
    """
    scheme, mark, rest = url.partition("://") if "://" in url else ("", "", url)
    if not scheme and rest.startswith(("/", ".", "~")):
        return url
    who, at, place = rest.rpartition("@")
    if at and (":" in who or scheme not in ("", "ssh", "git+ssh")):
        who = "…"
    place, query, _ = place.partition("?")
    return f"{scheme}{mark}{who}{at}{place}{query and '?…'}"

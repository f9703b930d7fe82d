"""Decide when there is an alert, and write its text. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from urllib.parse import urlsplit, urlunsplit

from repoman_tasks.errors import one_line
from repoman_tasks.late_dataclass import dataclass
from repoman_tasks.model import Failure, Project
from repoman_tasks.planning.container.agent_sessions import STATES, AgentSession
from repoman_tasks.planning.mirror.attempts import reportable
from repoman_tasks.planning.text.wording import plural

__all__ = ["Alert", "agent_alert", "change_alert", "failing", "ping_url", "summary"]
__all__ += ["told_states", "url_fault"]

_MOST_TEXT = 8000
"""The most characters of an alert: services cut off or refuse longer ones."""
_MOST_NAMED = 3


@dataclass(frozen=True)
class Alert:
    """A message to a person who is not at the terminal."""

    title: str
    text: str
    bad: bool


def url_fault(url: str) -> str:
    """Return why `url` can't be that of a service, "" if it can. It does not hold the URL."""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    plain = url.isascii() and url.isprintable() and " " not in url
    if usable and plain and "@" not in parts.netloc:
        return ""
    return "must be a URL that begins with https:// or http://, without a password"


def ping_url(url: str, word: str) -> str:
    """Return `url` with `word` added to its path, as healthchecks has it for a start and a fail."""
    if not word:
        return url
    parts = urlsplit(url)
    return urlunsplit(parts._replace(path=f"{parts.path.rstrip('/')}/{word}"))


def failing(projects: Iterable[Project], failures: Mapping[str, Failure]) -> dict[str, Failure]:
    """Return the failures of last syncs that a person should know, by project."""
    found = {project.name: reportable(project, failures) for project in projects}
    return {name: failure for name, failure in found.items() if failure is not None}


def change_alert(host: str, told: Mapping[str, int], now: Mapping[str, Failure]) -> Alert | None:
    """Return the alert about what changed since the last one; None if nothing did.

    `told` has the exit codes that the last alert was about, by project, and `now` what fails now.
    """
    if dict(told) == {name: failure.code for name, failure in now.items()}:
        return None
    well = [name for name in told if name not in now]
    again = [f"{_names(well)}: mirrored again"] if well else []
    count = plural(len(now), "project is", "projects are")
    title = f"repoman on {host}: {f'{count} not mirrored' if now else 'all is well again'}"
    return Alert(title, _text([*summary(now), *again]), bool(now))


def agent_alert(host: str, told: Mapping[str, str], found: Sequence[AgentSession]) -> Alert | None:
    """Return the alert about agents that now wait, are done or have stopped; None if there is none.

    `told` has the states that were known when the last alert was sent, by project.
    """
    changed = [
        one
        for one in found
        if one.state in ("waits", "done", "stopped")
        and told.get(one.project, "stopped") != one.state
    ]
    if not changed:
        return None
    lines = [f"{one.agent} in {one.project}: {STATES[one.state]}" for one in changed]
    title = lines[0] if len(lines) == 1 else plural(len(lines), "agent")
    return Alert(
        f"repoman on {host}: {title}", _text(lines), any(one.state == "waits" for one in changed)
    )


def told_states(told: Mapping[str, str], found: Sequence[AgentSession]) -> dict[str, str]:
    """Return the states to remember: one that is not known now stays as it was."""
    return {
        one.project: told.get(one.project, "stopped") if one.state == "unknown" else one.state
        for one in found
    }


def summary(now: Mapping[str, Failure]) -> list[str]:
    """Return a line for each reason why projects fail."""
    reasons: dict[str, list[str]] = {}
    for name, failure in now.items():
        reasons.setdefault(failure.error, []).append(name)
    return [f"{_names(names)}: {one_line(reason)}" for reason, names in reasons.items()]


def _names(names: list[str]) -> str:
    more = len(names) - _MOST_NAMED
    return ", ".join(names[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def _text(lines: list[str]) -> str:
    return "\n".join(lines)[:_MOST_TEXT]

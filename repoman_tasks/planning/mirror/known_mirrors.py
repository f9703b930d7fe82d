"""Decide if a mirror needs no comparison, because it is as the last sync left it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field, replace
from datetime import datetime
from typing import TypeVar
from zlib import crc32

from repoman_tasks.errors import TargetUnusable
from repoman_tasks.late_dataclass import dataclass
from repoman_tasks.model import Altered, Failure, Mirrored, Project
from repoman_tasks.planning.mirror.source_check import valid_state

__all__ = [
    "MOST_NAMED",
    "TOKEN",
    "Mirrors",
    "check_writer",
    "is_due",
    "other_writer",
    "token_text",
    "trusted",
    "undisturbed",
]

MOST_NAMED = 100
"""The most entries of a changed mirror to remember."""

T = TypeVar("T")

TOKEN = ".repoman-generation"
"""File on the share with a token that each sync that writes there replaces."""


@dataclass(frozen=True)
class Mirrors:
    """The states of all mirrors, and the token that the share has if nobody else wrote to it."""

    projects: Mapping[str, Mirrored] = field(default_factory=dict)
    open: Mapping[str, str] = field(default_factory=dict)
    """The projects that a sync is writing, or was when it was killed, with the sync's token."""
    token: str = ""
    """The token that the share had."""
    next: str = ""
    """The token that the share was to get next; if that was interrupted, it has either."""
    failures: Mapping[str, Failure] = field(default_factory=dict)
    """The projects whose last sync failed."""
    altered: Mapping[str, Altered] = field(default_factory=dict)
    """The mirrors that something else changed, unless a person has seen that."""
    begun: Mapping[str, str] = field(default_factory=dict)
    """When a sync began to write (UTC), and its process, by project, until it notes its end."""

    def having(self, states: Mapping[str, Mirrored]) -> Mirrors:
        """Return this with `states` of projects in place of the known ones."""
        return replace(self, projects={**self.projects, **states})

    def having_altered(self, name: str, new: Altered) -> Mirrors:
        """Return this with what changed the mirror of the project `name`, beside what was not seen
        yet."""
        before = self.altered.get(name)
        if before is not None and before.created == new.created:
            entries = tuple(dict.fromkeys([*before.entries, *new.entries]))[:MOST_NAMED]
            count, folders = before.count + new.count, before.folders + new.folders
            new = replace(new, count=count, entries=entries, folders=folders)
        return replace(self, altered={**self.altered, name: new})

    def seen(self, name: str) -> Mirrors:
        """Return this after a person has seen what changed the mirror of the project `name`."""
        return replace(self, altered={n: one for n, one in self.altered.items() if n != name})

    def renamed(self, name: str, to: str) -> Mirrors:
        """Return this with the project called `name` renamed."""

        def moved(states: Mapping[str, T]) -> dict[str, T]:
            return {to if known == name else known: state for known, state in states.items()}

        return replace(
            self,
            projects=moved(self.projects),
            open=moved(self.open),
            failures=moved(self.failures),
            altered=moved(self.altered),
            begun=moved(self.begun),
        )

    def accepts(self, token: str) -> bool:
        """Return True if a share with `token` is as repoman left it."""
        return token != "" and token in (self.token, self.next)

    def opened(self, names: frozenset[str], seen: str, token: str) -> Mirrors:
        """Return this for a sync that is about to write `names`, and the share to get `token`.

        The share has the token `seen`. If that is another one, no mirror is known any more.
        """
        well = self.accepts(seen)
        projects = {
            name: replace(state, digest="") if name in names or not well else state
            for name, state in self.projects.items()
        }
        still = {**self.open, **dict.fromkeys(names, token)}
        return replace(self, projects=projects, open=still, token=seen if well else "", next=token)

    def closing(self, seen: str, token: str) -> Mirrors:
        """Return this for a sync that has written all, and the share to get `token`."""
        return self.opened(frozenset(), seen, token)

    def closed(self, states: Mapping[str, Mirrored], mine: str) -> Mirrors:
        """Return this after the share got its last token from the sync with the token `mine`.

        `states` are those that it left; a project that another sync has opened since is not one.
        """
        own = {name for name, token in self.open.items() if token == mine}
        kept = {name: state for name, state in states.items() if name in own}
        still = {name: token for name, token in self.open.items() if name not in own}
        return replace(self.having(kept), open=still, token=self.next, next="")


def token_text(hostname: str, when: str, random: str) -> str:
    """Return a new token: who writes, when (UTC), and what makes it unlike every other one."""
    return f"{hostname} {when} {random}"


def other_writer(mirrors: Mirrors, token: str, hostname: str) -> tuple[str, str] | None:
    """Return the host that wrote to the share last, and when, if it is not the one of `mirrors`.

    `token` is that of the share. A token of this host that `mirrors` does not know is one of a
    share or a state that was brought back.
    """
    if mirrors.accepts(token):
        return None
    writer, *rest = token.split()[:3] or [""]
    if writer in ("", hostname) or not rest:
        return None
    return writer, rest[0] if len(rest) == 2 else "an unknown time"


def check_writer(mirrors: Mirrors, token: str, hostname: str, path: str) -> None:
    """Raise TargetUnusable if another host wrote to the share at `path` last: see `other_writer`.

    What it mirrored may be newer than the repos of this host.
    """
    if found := other_writer(mirrors, token, hostname):
        writer, when = found
        raise TargetUnusable(
            f"{writer} wrote to {path} last, at {when}",
            "sync there, or run `repoman setup --take-over` to sync from this host from now on",
        )


def trusted(
    mirrors: Mirrors, project: Project, token: str, rules: str, root: str
) -> Mirrored | None:
    """Return the state of the project's mirror if the mirror is as the last sync left it.

    `token` is that of the share; `rules` is the hash of rsync's rules now, and `root` identifies
    the mirror's folder, "" if there is none.
    """
    state = undisturbed(mirrors, project, token, rules)
    return state if state is not None and root and state.root == root else None


def undisturbed(mirrors: Mirrors, project: Project, token: str, rules: str) -> Mirrored | None:
    """Return the state of the project's mirror if no sync has written there since the last one.

    So what differs there was changed by something else.
    """
    state = valid_state(project, mirrors.projects.get(project.name))
    if state is None or project.name in mirrors.open or project.stopped_at:
        return None
    known = state.digest and state.rules == rules
    return state if known and mirrors.accepts(token) else None


def is_due(name: str, compared: str, now: str, every: int) -> bool:
    """Return True if the mirror of `name`, last compared in full at `compared`, is due again.

    Each project has its day, so that of all mirrors about the same number is due every day.
    """
    try:
        before, today = (datetime.fromisoformat(text).toordinal() for text in (compared, now))
    except ValueError:
        return True
    if every < 1 or before > today:
        return True
    phase = crc32(name.encode()) % every
    return (before - phase) // every < (today - phase) // every

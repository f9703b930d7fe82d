"""The events of a running sync."""

from __future__ import annotations

from repoman_tasks.late_dataclass import dataclass
from repoman_tasks.planning.mirror.sync_plan import Outcome
from repoman_tasks.tools.rsync import Kind

__all__ = ["Event", "Finished", "Itemized", "Progress", "Started"]


@dataclass(frozen=True)
class Started:
    """The sync of a project has started."""

    name: str


@dataclass(frozen=True)
class Progress:
    """The progress of a project: bytes sent, and percent of its files."""

    name: str
    bytes: int
    percent: int


@dataclass(frozen=True)
class Itemized:
    """One change to a mirror; `path` is relative to the repo, undecodable bytes as surrogates."""

    name: str
    kind: Kind
    path: str
    size: int = 0
    """Bytes of a file that is sent."""


@dataclass(frozen=True)
class Finished:
    """The sync of a project has ended, successfully or not."""

    outcome: Outcome


Event = Started | Progress | Itemized | Finished

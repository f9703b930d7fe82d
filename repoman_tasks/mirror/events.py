"""What a running mirror tells whoever watches it."""

from __future__ import annotations

from dataclasses import dataclass

from repoman_tasks.planning.mirror.sync_plan import Outcome
from repoman_tasks.tools.rsync import Kind

__all__ = ["Event", "Finished", "Itemized", "Progress", "Started"]


@dataclass(frozen=True)
class Started:
    """Work on a project began."""

    name: str


@dataclass(frozen=True)
class Progress:
    """A project has so many bytes and so much of its files behind it."""

    name: str
    bytes: int
    percent: int


@dataclass(frozen=True)
class Itemized:
    """One change to the mirror of a project; the path is relative to its repo, surrogates in it."""

    name: str
    kind: Kind
    path: str


@dataclass(frozen=True)
class Finished:
    """Work on a project ended, well or not."""

    outcome: Outcome


Event = Started | Progress | Itemized | Finished

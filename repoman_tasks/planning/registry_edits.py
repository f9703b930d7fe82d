"""Edits of the registry as values; `registry.edits` applies them to its text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from repoman_tasks.late_dataclass import dataclass
from repoman_tasks.model import Project

__all__ = ["AddProject", "DropProject", "Edit", "SetKeys"]


@dataclass(frozen=True)
class SetKeys:
    """Edit that sets `values` in `[table]`, or in a project if named; None removes a key."""

    values: Mapping[str, Any]
    table: str = "defaults"
    project: str = ""


@dataclass(frozen=True)
class AddProject:
    """Edit that appends a `[[project]]` with the keys that differ from their defaults."""

    project: Project


@dataclass(frozen=True)
class DropProject:
    """Edit that removes the `[[project]]` called `name`, if it exists."""

    name: str


Edit = SetKeys | AddProject | DropProject

"""Changes to the registry, as values. `registry.edits` makes them in its text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from repoman_tasks.model import Project

__all__ = ["AddProject", "DropProject", "Edit", "SetKeys"]


@dataclass(frozen=True)
class SetKeys:
    """Set `values` in `[table]`, or in the project named `project`. None removes a key."""

    values: Mapping[str, Any]
    table: str = "defaults"
    project: str = ""


@dataclass(frozen=True)
class AddProject:
    """Append a `[[project]]`; only what differs from the built-in value is written."""

    project: Project


@dataclass(frozen=True)
class DropProject:
    """Remove the `[[project]]` of that name; gone already is fine."""

    name: str


Edit = SetKeys | AddProject | DropProject

"""Incus projects of the containers: those that may have containers inside are in a second one.

Incus allows that to a whole project, or forbids it. Pure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import TypeVar
from urllib.parse import quote

from repoman_tasks.model import Project, Registry

__all__ = ["Homes", "home_of", "homes_elsewhere", "nesting_project", "volume_path"]

T = TypeVar("T")

_SUFFIX = "-nesting"


def nesting_project(incus_project: str) -> str:
    """Return the name of the Incus project beside `incus_project` that allows nesting."""
    return incus_project + _SUFFIX


def home_of(project: Project, incus_project: str) -> str:
    """Return the name of the Incus project in which the container of `project` belongs.

    `incus_project` is that of the registry.
    """
    return nesting_project(incus_project) if project.nesting else incus_project


def homes_elsewhere(registry: Registry, incus_project: str) -> dict[str, str]:
    """Return the Incus projects of the containers that belong in another one than `incus_project`.

    The keys are the names of the containers.
    """
    nesting = (project for project in registry.projects if project.container and project.nesting)
    return {project.name: home_of(project, incus_project) for project in nesting}


def volume_path(project: str, pool: str, *names: str) -> str:
    """Return the path in Incus's API of what `names` lead to in the Incus project.

    These are the name of a volume, and of something of it; without any, it is that of all volumes.
    """
    parts = ("storage-pools", pool, "volumes", "custom", *names)
    path = "/".join(quote(part, safe="") for part in parts)
    return f"/1.0/{path}?project={quote(project, safe='')}"


class Homes:
    """The Incus projects in which containers and their volumes belong, and were found."""

    def __init__(self, first: str, elsewhere: Mapping[str, str]) -> None:
        """`elsewhere` has the Incus project of each container that does not belong in `first`."""
        self._first = first
        self._elsewhere = dict(elsewhere)
        self._containers: dict[str, str] = {}
        self._volumes: dict[str, str] = {}
        self._names: dict[str, frozenset[str]] = {}
        """Names of the containers that each Incus project had when it was asked last."""

    @property
    def projects(self) -> list[str]:
        """Return the Incus projects that hold containers, or should; the first one first."""
        others = (*self._elsewhere.values(), *self._containers.values(), *self._volumes.values())
        return list(dict.fromkeys((self._first, *others)))

    @property
    def doubled(self) -> frozenset[str]:
        """Return the names of the containers that were found in two Incus projects."""
        names = Counter(chain.from_iterable(self._names.values()))
        return frozenset(name for name, times in names.items() if times > 1)

    def of(self, name: str) -> str:
        """Return the Incus project of a container: that in which it was found, or belongs."""
        return self._containers.get(name) or self._elsewhere.get(name, self._first)

    def of_volume(self, name: str) -> str:
        """Return the Incus project of a volume, that of its container if it was not found."""
        return self._volumes.get(name) or self.of(name)

    def belong(self, name: str, project: str) -> None:
        """Have a container belong in an Incus project that the registry does not know yet."""
        self._elsewhere[name] = project

    def settle(self, name: str, project: str) -> None:
        """Take an Incus project for that of a container from now on."""
        self._containers[name] = project

    def settle_volume(self, name: str, project: str) -> None:
        """Take an Incus project for that of a volume from now on."""
        self._volumes[name] = project

    def found(self, names: Iterable[str], project: str) -> None:
        """Note that an Incus project has containers; that in which they belong wins."""
        self._names[project] = frozenset(names)
        for name in self._names[project]:
            belonging = self._elsewhere.get(name, self._first)
            if name not in self._containers or project == belonging:
                self.settle(name, project)

    def found_volumes(self, names: Iterable[str], project: str) -> None:
        """Note that an Incus project has volumes; that of their containers wins."""
        for name in names:
            if name not in self._volumes or project == self.of(name):
                self.settle_volume(name, project)

    def merged(self, projects: Sequence[str], parts: Sequence[Mapping[str, T]]) -> dict[str, T]:
        """Return what the Incus projects have by the name of a container: one for each name."""
        merged: dict[str, T] = {}
        for project, part in zip(projects, parts, strict=True):
            merged |= {n: v for n, v in part.items() if n not in merged or self.of(n) == project}
        return merged

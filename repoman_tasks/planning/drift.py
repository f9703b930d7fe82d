"""What the registry says of containers, held against what Incus has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from repoman_tasks.errors import Failed
from repoman_tasks.model import Project, Registry
from repoman_tasks.planning.health import Finding

__all__ = [
    "TAG",
    "Container",
    "Containers",
    "drift",
    "read_containers",
    "state",
    "summary",
    "unusable",
]

TAG = "user.repoman.project"
"""The Incus configuration key in which a container carries its project's name."""

_SHOWN = ("running", "stopped", "frozen", "error")
"""States in the order in which they are counted; any other follows these."""


@dataclass(frozen=True)
class Container:
    """A container as Incus has it. `status` is Incus's word in small letters."""

    name: str
    status: str
    project: str = ""
    """The project that it was made for, by its tag."""


@dataclass(frozen=True)
class Containers:
    """All containers of the Incus project, by name; or why nobody knows."""

    found: Mapping[str, Container]
    problem: tuple[str, str] | None = None
    """What kept Incus from answering, and the cure."""


def read_containers(instances: Any) -> dict[str, Container]:
    """Read the metadata of `/1.0/instances?recursion=1`; `Failed` where it is something else."""
    try:
        read = [
            Container(one["name"], one["status"].lower(), one["config"].get(TAG, ""))
            for one in instances
        ]
    except (AttributeError, KeyError, TypeError):
        raise Failed("Incus gave an answer that is no list of instances", "update incus") from None
    return {container.name: container for container in read}


def unusable(problem: Failed) -> Containers:
    """What is known of containers where Incus could not be asked."""
    return Containers({}, (problem.what, problem.cure))


def state(project: Project, containers: Containers) -> str:
    """The state of the project's container, in a word or two."""
    if not project.container:
        return "no container"
    if containers.problem:
        return "unknown"
    container = containers.found.get(project.name)
    return container.status if container else "missing"


def summary(containers: Containers) -> str:
    """How many there are of each state: "2 running, 1 stopped", "none", "not checked, …"."""
    if containers.problem:
        return f"not checked, {containers.problem[0]}"
    counts = dict.fromkeys(_SHOWN, 0)
    for container in containers.found.values():
        counts[container.status] = counts.get(container.status, 0) + 1
    return ", ".join(f"{count} {word}" for word, count in counts.items() if count) or "none"


def drift(
    registry: Registry, containers: Containers, projects: Sequence[Project], *, orphans: bool
) -> list[Finding]:
    """Where `projects` and their containers differ; with `orphans` also those of no project.

    An Incus that can't be asked is a problem only where a project has a container.
    """
    if containers.problem:
        needed = any(project.container for project in projects)
        return [Finding("incus", *containers.problem)] if needed else []
    renamed = {
        container.project: container.name
        for container in containers.found.values()
        if container.project not in ("", container.name)
    }
    found = [
        finding for project in projects for finding in _of_project(project, containers, renamed)
    ]
    if orphans:
        found += _orphans(registry, containers)
    return found


def _of_project(
    project: Project, containers: Containers, renamed: Mapping[str, str]
) -> list[Finding]:
    name, container = project.name, containers.found.get(project.name)
    if container is None:
        if not project.container:
            return []
        if name in renamed:
            cure = f"`incus rename` gives {renamed[name]} its name back"
            return [Finding(name, f"its container is called {renamed[name]} now", cure)]
        cure = "set container = false in the registry if it is to have none"
        return [Finding(name, "its container is missing", cure)]
    if not project.container:
        what = "Incus has a container of this name, and the registry says it has none"
        return [Finding(name, what, "set container = true in the registry if it is its own")]
    if container.status == "error":
        cure = f"`incus stop --force {name}`, then look at `incus info --show-log {name}`"
        return [Finding(name, "its container is in state error", cure)]
    return []


def _orphans(registry: Registry, containers: Containers) -> list[Finding]:
    names = {project.name for project in registry.projects}
    return [
        Finding(
            container.name,
            "a container in the Incus project that no project has",
            "look into it with `incus`; repoman leaves it alone",
        )
        for container in containers.found.values()
        if container.name not in names and container.project not in names
    ]

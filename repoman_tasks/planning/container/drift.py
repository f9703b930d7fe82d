"""What the registry says of containers, held against what Incus has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from repoman_tasks.errors import Failed
from repoman_tasks.model import Project
from repoman_tasks.planning.container.spec import TAG, Container, container_spec, differences
from repoman_tasks.planning.findings import EstateFacts, Finding

__all__ = [
    "Containers",
    "drift",
    "of_project",
    "read_container",
    "read_containers",
    "state",
    "summary",
    "unusable",
]

_SHOWN = ("running", "stopped", "frozen", "error")
"""States in the order in which they are counted; any other follows these."""


@dataclass(frozen=True)
class Containers:
    """All containers of the Incus project, by name; or why nobody knows."""

    found: Mapping[str, Container]
    problem: tuple[str, str] | None = None
    """What kept Incus from answering, and the cure."""

    def renamed(self, project: str) -> Container | None:
        """The container that was made for `project` and has another name, where it is the only
        one and none has that name."""
        theirs = [c for c in self.found.values() if c.project == project]
        return theirs[0] if len(theirs) == 1 and project not in self.found else None


def read_containers(instances: Any) -> dict[str, Container]:
    """Read the metadata of `/1.0/instances?recursion=1`; `Failed` where it is something else."""
    try:
        read = [read_container(one) for one in instances]
    except TypeError:
        raise _strange() from None
    return {container.name: container for container in read}


def read_container(instance: Any) -> Container:
    """Read the metadata of one instance; `Failed` where it is something else."""
    try:
        config = dict(instance["config"])
        return Container(
            instance["name"],
            instance["status"].lower(),
            {str(key): str(value) for key, value in config.items()},
            {name: dict(device) for name, device in instance.get("devices", {}).items()},
            tuple(instance.get("profiles", ())),
            _sources(instance.get("expanded_devices") or instance.get("devices", {})),
        )
    except (AttributeError, KeyError, TypeError, ValueError):
        raise _strange() from None


def _sources(devices: Any) -> tuple[str, ...]:
    found = (device.get("source", "") for device in devices.values() if device["type"] == "disk")
    return tuple(source for source in found if source.startswith("/"))


def _strange() -> Failed:
    return Failed("Incus gave an answer that is no list of instances", "update incus")


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
    if container is None:
        return "renamed" if containers.renamed(project.name) else "missing"
    return "half-made" if container.half_made else container.status


def summary(containers: Containers) -> str:
    """How many there are of each state: "2 running, 1 stopped", "none", "not checked, …"."""
    if containers.problem:
        return f"not checked, {containers.problem[0]}"
    counts = dict.fromkeys(_SHOWN, 0)
    for container in containers.found.values():
        counts[container.status] = counts.get(container.status, 0) + 1
    return ", ".join(f"{count} {word}" for word, count in counts.items() if count) or "none"


def drift(
    facts: EstateFacts, containers: Containers, projects: Sequence[Project], *, orphans: bool
) -> list[Finding]:
    """Where `projects` and their containers differ; with `orphans` also those of no project.

    An Incus that can't be asked is a problem only where a project has a container.
    """
    if containers.problem:
        needed = any(project.container for project in projects)
        return [Finding("incus", *containers.problem, kind="incus")] if needed else []
    found = [f for project in projects for f in of_project(facts, project, containers)]
    if orphans:
        found += _orphans(facts, containers)
    return found


def of_project(facts: EstateFacts, project: Project, containers: Containers) -> list[Finding]:
    """Where one project and its container differ; Incus could be asked."""
    name, container = project.name, containers.found.get(project.name)
    if container is None:
        return _absent(project, containers)
    if not project.container:
        what = "Incus has a container of this name, and the registry says it has none"
        cure = f"`repoman adopt {name}` takes it in"
        return [Finding(name, what, cure, kind="unexpected")]
    if container.half_made:
        cure = f"`repoman status {name} --repair` finishes or removes it"
        return [Finding(name, "its container is half made", cure, kind="half-made")]
    if container.status == "error":
        cure = f"`repoman stop {name} --force`, then look at `incus info --show-log {name}`"
        return [Finding(name, "its container is in state error", cure, kind="error")]
    spec = container_spec(project, facts.registry, facts.local_repos, facts.home)
    differing = differences(spec, container)
    if not differing:
        return []
    if all(d.protection for d in differing):
        what = "what programs here would run is not all read-only in its container yet"
        cure = f"`repoman update {name} --restart`"
        return [Finding(name, what, cure, problem=False, kind="protection")]
    what = "its container is not as declared: " + "; ".join(d.what for d in differing)
    return [Finding(name, what, f"`repoman update {name}`", kind="differs")]


def _absent(project: Project, containers: Containers) -> list[Finding]:
    name, other = project.name, containers.renamed(project.name)
    if not project.container:
        return []
    cure = f"`repoman status {name} --repair`"
    if other:
        what = f"its container is called {other.name} now"
        return [Finding(name, what, f"{cure} gives it its name back", kind="renamed")]
    what = "its container is missing"
    return [Finding(name, what, f"{cure} makes it anew or forgets it", kind="missing")]


def _orphans(facts: EstateFacts, containers: Containers) -> list[Finding]:
    names = {project.name for project in facts.registry.projects}
    found = []
    for container in containers.found.values():
        if container.name in names:
            continue
        if container.project in names and containers.renamed(container.project) is container:
            continue
        found.append(_orphan(container))
    return found


def _orphan(container: Container) -> Finding:
    name = container.name
    if container.half_made:
        cure = f"`repoman new {name}` begins anew, `repoman status --repair` removes it"
        return Finding(name, "a half-made container of no project", cure, kind="half-made")
    made_for = container.config.get(TAG)
    what = "a container in the Incus project that no project has"
    if made_for and made_for != name:
        what += f"; it was made for {made_for}"
    cure = f"`repoman adopt {name}` takes it in, `repoman status --repair` asks about it"
    return Finding(name, what, cure, kind="orphan")

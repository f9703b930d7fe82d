"""Drift: how the containers that Incus has differ from the registry. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from repoman_tasks.errors import Failed, quoted
from repoman_tasks.late_dataclass import dataclass
from repoman_tasks.model import Project
from repoman_tasks.planning.container.homes import nesting_project
from repoman_tasks.planning.container.spec import (
    BUILD_TAG,
    NEW,
    PROJECT_TAG,
    Container,
    Difference,
    container_spec,
    differences,
)
from repoman_tasks.planning.fence.bridge import has_rules
from repoman_tasks.planning.fence.ownership import mapped_uid
from repoman_tasks.planning.findings import EstateFacts, Finding

__all__ = [
    "Containers",
    "container_state",
    "containers_summary",
    "drift_findings",
    "is_of_another",
    "parse_container",
    "parse_containers",
    "project_drift",
    "unknown_containers",
]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*")
"""Names of instances that Incus allows. Any other comes from a host that is hostile."""
_STATUS = re.compile(r"[a-z ]+")
_COUNTED_FIRST = ("running", "stopped", "frozen", "error")
"""States that a summary lists first, in this order."""


@dataclass(frozen=True)
class Containers:
    """All containers of the Incus project by name, or the reason why they are unknown."""

    by_name: Mapping[str, Container]
    problem: tuple[str, str] | None = None
    """Problem that kept Incus from answering, and its cure."""
    uid: int = 0
    """Uid of the person who asked; 0 if unknown."""
    doubled: Collection[str] = ()
    """Names of those that are in both Incus projects, of which one is known by name."""

    def find_renamed(self, project: str) -> Container | None:
        """Return the container that was created for `project` but has another name now.

        None if there are several of them, or one that has the right name.
        """
        created_for = [c for c in self.by_name.values() if c.project == project]
        return created_for[0] if len(created_for) == 1 and project not in self.by_name else None


def parse_containers(instances: Any) -> dict[str, Container]:
    """Parse the metadata of `/1.0/instances?recursion=1`. Raise Failed if it is no such list."""
    try:
        containers = [parse_container(one) for one in instances]
    except TypeError:
        raise _malformed() from None
    return {container.name: container for container in containers}


def parse_container(instance: Any) -> Container:
    """Parse the metadata of one instance. Raise Failed if it is none."""
    try:
        name, devices = instance["name"], instance.get("devices") or {}
        status = instance["status"].lower()
        if not (_NAME.fullmatch(name) and _STATUS.fullmatch(status)):
            raise ValueError(name)
        return Container(
            name,
            status,
            _texts(instance["config"]),
            {str(device): _texts(keys) for device, keys in devices.items()},
            tuple(map(str, instance.get("profiles") or ())),
            _sources(instance.get("expanded_devices") or devices),
            _root_pool(instance.get("expanded_devices") or {}),
            str((instance.get("expanded_config") or {}).get("limits.memory", "")),
            mapped_uid(str((instance.get("expanded_config") or {}).get("raw.idmap", ""))),
            str(instance.get("project") or ""),
        )
    except (AttributeError, KeyError, TypeError, ValueError):
        raise _malformed() from None


def _texts(mapping: Any) -> dict[str, str]:
    return {str(key): str(value) for key, value in mapping.items()}


def _sources(devices: Any) -> tuple[str, ...]:
    sources = (device.get("source", "") for device in devices.values() if device["type"] == "disk")
    return tuple(source for source in sources if source.startswith("/"))


def _root_pool(devices: Any) -> str:
    roots = (device for device in devices.values() if device.get("path") == "/")
    return str(next((device.get("pool", "") for device in roots), ""))


def _malformed() -> Failed:
    return Failed("Incus did not answer with a list of instances", "update Incus")


def unknown_containers(problem: Failed) -> Containers:
    """Return the Containers for an Incus that does not answer, with its problem."""
    return Containers({}, (problem.what, problem.cure))


def container_state(project: Project, containers: Containers) -> str:
    """Return the state of the project's container in a word or two."""
    if not project.container:
        return "no container"
    if containers.problem:
        return "unknown"
    container = containers.by_name.get(project.name)
    if container is None:
        return "renamed" if containers.find_renamed(project.name) else "missing"
    return "half-made" if container.half_made else container.status


def containers_summary(containers: Containers) -> str:
    """Return the number of containers per state: "2 running, 1 stopped" or "none"."""
    if containers.problem:
        return f"not checked, {containers.problem[0]}"
    counts = dict.fromkeys(_COUNTED_FIRST, 0)
    for container in containers.by_name.values():
        counts[container.status] = counts.get(container.status, 0) + 1
    return ", ".join(f"{count} {status}" for status, count in counts.items() if count) or "none"


def drift_findings(
    facts: EstateFacts, containers: Containers, projects: Sequence[Project], *, orphans: bool
) -> list[Finding]:
    """Return the drift of `projects`, and with `orphans` the containers without a project.

    An Incus that does not answer is a finding only if one of the projects has a container.
    """
    if containers.problem:
        needed = any(project.container for project in projects)
        return [Finding("incus", *containers.problem, kind="incus")] if needed else []
    findings = [f for project in projects for f in project_drift(facts, project, containers)]
    findings += _frozen_findings(containers, projects)
    if orphans:
        findings += _orphan_findings(facts, containers)
    return findings


def _frozen_findings(containers: Containers, projects: Sequence[Project]) -> list[Finding]:
    what = "its container is frozen, nothing in it runs; a snapshot that was killed leaves it so"
    return [
        Finding(one.name, what, f"run `repoman start {quoted(one.name)}`", False, kind="frozen")
        for one in projects
        if one.name in containers.by_name and containers.by_name[one.name].status == "frozen"
    ]


def project_drift(facts: EstateFacts, project: Project, containers: Containers) -> list[Finding]:
    """Return the drift of one project; `containers` must be known.

    One that is being renamed has none: what is where is for `rename`.
    """
    if project.renaming:
        return []
    name, container = project.name, containers.by_name.get(project.name)
    if container is None:
        return _absence_findings(project, containers)
    if not project.container:
        what = "Incus has a container of this name, but the registry says there is none"
        return [Finding(name, what, f"run `repoman adopt {quoted(name)}`", kind="unexpected")]
    if name in containers.doubled:
        return [_doubled_finding(facts, project)]
    if container.half_made:
        cure = f"finish or remove it with `repoman status {quoted(name)} --repair`"
        return [Finding(name, "its container is half made", cure, kind="half-made")]
    if container.status == "error":
        within = container.home or facts.registry.defaults.incus_project
        cure = (
            f"read `incus info --show-log --project {quoted(within, name)}` for the reason; "
            f"once that is gone, run `repoman stop {quoted(name)} --force`"
        )
        return [Finding(name, "its container is in state error", cure, kind="error")]
    return _difference_findings(facts, project, container)


def _doubled_finding(facts: EstateFacts, project: Project) -> Finding:
    """Return the finding about two containers of one name; neither is entered."""
    name, first = project.name, facts.registry.defaults.incus_project
    what = f"a container of this name is in {first} and in {nesting_project(first)}"
    command = quoted("incus", "info", "--project", nesting_project(first), name)
    cure = f"look at both, one with `{command}`, and rename or delete the one that is not needed"
    return Finding(name, what, cure, kind="error")


def _difference_findings(
    facts: EstateFacts, project: Project, container: Container
) -> list[Finding]:
    name = project.name
    spec = container_spec(project, facts.registry, facts.local_repos, facts.home)
    differing = [*differences(spec, container), *_missing_rules(project)]
    if not differing:
        return []
    if all(d.protection for d in differing):
        what = "its container can still write some files that programs on this host run"
        cure = f"run `repoman update {quoted(name)} --restart`"
        return [Finding(name, what, cure, problem=False, kind="protection")]
    what = "its container differs from the registry: " + "; ".join(d.what for d in differing)
    return [Finding(name, what, _update_cure(container, differing), kind="differs")]


def _update_cure(container: Container, differing: Sequence[Difference]) -> str:
    """Return the `update` that leaves none of the differences, or what else does."""
    needs, command = {d.need for d in differing}, f"repoman update {quoted(container.name)}"
    if NEW in needs:
        return (
            "set `nesting` in the registry as it was, or give up the container with its volume: "
            f"run `{quoted('repoman', 'remove', container.name)}`, then "
            f"`{quoted('repoman', 'new', container.name)}`, with --nesting or without"
        )
    if "rebuild" in needs:
        return f"run `{command} --rebuild`, which recreates its disk: installed packages are lost"
    flag = " --restart" if "restart" in needs and container.running else ""
    return f"run `{command}{flag}`"


def _missing_rules(project: Project) -> list[Difference]:
    """Return the difference of a project whose `network` or `allow` has not been applied yet."""
    if not has_rules(project) or project.address:
        return []
    return [Difference("network: give it the address that its rules need", "restart")]


def _absence_findings(project: Project, containers: Containers) -> list[Finding]:
    name, renamed = project.name, containers.find_renamed(project.name)
    if not project.container:
        return []
    command = f"`repoman status {quoted(name)} --repair`"
    if renamed:
        what = f"its container was renamed to {renamed.name}"
        return [Finding(name, what, f"rename it back with {command}", kind="renamed")]
    cure = f"recreate or forget it with {command}"
    return [Finding(name, "its container is missing", cure, kind="missing")]


def _orphan_findings(facts: EstateFacts, containers: Containers) -> list[Finding]:
    names = {project.name for project in facts.registry.projects}
    findings = []
    for container in containers.by_name.values():
        if facts.registry.project(container.name) or is_of_another(container, containers.uid):
            continue
        if container.project in names and containers.find_renamed(container.project) is container:
            continue
        findings.append(_orphan_finding(container))
    return findings


def is_of_another(container: Container, uid: int) -> bool:
    """Return True if the container is for another person than the one with `uid`."""
    return bool(container.uid and uid) and container.uid != uid


def _orphan_finding(container: Container) -> Finding:
    name = container.name
    if template := container.config.get(BUILD_TAG):
        what = f"a container is left of a build of {template}, or it runs"
        cure = "if none runs, remove it with `repoman status --repair`"
        return Finding(name, what, cure, kind="half-built")
    if container.half_made:
        again = f"run `repoman new {quoted(name)}` again"
        cure = f"{again}, or remove it with `repoman status --repair`"
        return Finding(name, "a half-made container without a project", cure, kind="half-made")
    created_for = container.config.get(PROJECT_TAG)
    what = "a container without a project"
    if created_for and created_for != name:
        what += f"; it was created for {created_for}"
    cure = f"run `repoman adopt {quoted(name)}`, or choose with `repoman status --repair`"
    return Finding(name, what, cure, kind="orphan")

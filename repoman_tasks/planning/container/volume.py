"""A project's volume in the storage pool: its steps and findings. Pure.

It holds what outlives the container, and nothing on it is shared with another project.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from repoman_tasks.errors import quoted
from repoman_tasks.planning.container.drift import Containers
from repoman_tasks.planning.container.homes import volume_path
from repoman_tasks.planning.container.spec import MAKING_TAG, has_volume
from repoman_tasks.planning.fence.fence_facts import QUOTA_DRIVERS
from repoman_tasks.planning.findings import EstateFacts, Finding
from repoman_tasks.planning.steps import CallIncus, CreateVolume, Step

__all__ = ["volume_findings", "volume_steps"]


def volume_steps(
    project: str, pool: str, driver: str, size: str, name: str, actual: Mapping[str, Any] | None
) -> list[Step]:
    """Return the steps after which the volume `name` exists in `pool`, with its size limit.

    `driver` is that of the pool, `project` the Incus project, `actual` the volume as it is.
    """
    limit = size if driver in QUOTA_DRIVERS else ""
    config = (actual or {}).get("config") or {}
    if actual is None or MAKING_TAG in config:
        return [CreateVolume(name, pool, limit)]
    if config.get("size", "") == limit:
        return []
    what = f"limit the volume {name} to {limit}" if limit else f"set no limit for the volume {name}"
    return [CallIncus(what, "PATCH", volume_path(project, pool, name), {"config": {"size": limit}})]


def volume_findings(
    facts: EstateFacts,
    containers: Containers,
    volumes: Mapping[str, str],
    half_made: Collection[str] = (),
    home: Callable[[str], str] | None = None,
) -> list[Finding]:
    """Return findings about volumes that no container uses, and containers without their volume.

    `volumes` are those of the Incus project, each with its pool; the creation of those that are
    `half_made` was interrupted. `home` returns the Incus project of a volume, if there are several.
    """
    found = []
    for name, container in containers.by_name.items():
        project = facts.registry.project(name)
        settled = project is not None and not project.renaming
        if settled and has_volume(container.devices) and name not in volumes:
            cure = f"create an empty one with `repoman update {quoted(name)}`"
            found.append(Finding(name, "its volume is missing", cure, kind="volume"))
    for name, pool in volumes.items():
        if name not in containers.by_name:
            within = home(name) if home else facts.registry.defaults.incus_project
            found += _unused_finding(facts, name, pool, half_made, within)
    return found


def _unused_finding(
    facts: EstateFacts, name: str, pool: str, half_made: Collection[str], within: str
) -> list[Finding]:
    project = facts.registry.project(name)
    if project is None and name in half_made:
        what = f"a half-made volume in the pool {pool} without a project"
        cure = (
            f"run `repoman new {quoted(name)}` again, or delete it with `repoman status --repair`"
        )
        return [Finding(name, what, cure, kind="half-made-volume")]
    if project is None:
        what = f"a volume in the pool {pool} without a project"
        cure = f"`repoman new {quoted(name)}` uses it, `repoman remove {quoted(name)}` deletes it"
    elif not project.container:
        what = "its volume is still there, though it has no container"
        command = quoted("incus", "storage", "volume", "delete", "--project", within, pool, name)
        cure = f"delete it with `{command}`"
    else:  # its missing container is reported
        return []
    return [Finding(name, what, cure, problem=False, kind="volume")]

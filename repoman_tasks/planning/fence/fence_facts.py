"""What containers stand on, as values, and whether any can be there at all. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from repoman_tasks.errors import Failed, UsageError
from repoman_tasks.model import Defaults, Person, Project
from repoman_tasks.planning.fence.bridge import Bridge

__all__ = [
    "ADMIN_GROUP",
    "DESCRIPTION",
    "FenceFacts",
    "FenceOptions",
    "Pool",
    "check_fence_facts",
    "check_folder",
]

ADMIN_GROUP = "incus-admin"
DESCRIPTION = "Containers of repoman, one for each project"
_OLDEST = (6, 0)
_WITH_QUOTA = ("btrfs", "zfs", "lvm", "ceph")
"""Kinds of storage pools that hold a disk to a size (Incus: reference on storage drivers)."""


@dataclass(frozen=True)
class FenceOptions:
    """What a person asked `setup` for."""

    storage_pool: str = ""
    network: str = ""
    init: bool = False
    repair: bool = False


@dataclass(frozen=True)
class Pool:
    """A storage pool. Sizes in MiB."""

    driver: str
    total_mib: int
    free_mib: int

    @property
    def told(self) -> str:
        """What is free, in words."""
        return f"{self.free_mib / 1024:.1f} GiB"

    def disk(self, desired: str) -> dict[str, str]:
        """What holds a container's disk to the size that is wanted, or to half of the pool."""
        if self.driver not in _WITH_QUOTA:
            return {}
        return {"size": desired or f"{max(1, self.total_mib >> 11)}GiB"}


@dataclass(frozen=True)
class FenceFacts:
    """What there is on the host before containers can be."""

    version: str
    pools: Mapping[str, Pool]
    """Storage pools, by name."""
    networks: Mapping[str, Bridge]
    """Managed bridges."""
    project: Mapping[str, str] | None
    """Its configuration; None where it does not exist."""
    profiles: Mapping[str, Mapping[str, Any]]
    processors: int
    person: Person
    local_repos: str
    shared: str
    """The shared folder, links resolved; empty where there is to be none."""
    mounts: tuple[str, ...] = ()
    """Further folders that the registry gives to containers."""
    shared_exists: bool = True
    shared_path: str = ""
    """Where containers see it."""
    subuid: str | None = None
    subgid: str | None = None
    """The files' text; None where they do not exist."""
    acls: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Network ACLs."""
    host_networks: tuple[str, ...] = ()
    """Those that the host has an address in."""
    projects: tuple[Project, ...] = ()
    firewalls: tuple[str, ...] = ()
    """Those of the host that are known to drop what is not theirs, as `reach` names them."""
    used: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Folders of the host that are mounted, each with the containers and profiles that do."""
    defaults: Defaults = field(default_factory=Defaults)


def check_fence_facts(facts: FenceFacts) -> None:
    """`RepomanError` where no container can be here, whatever is set up."""
    if facts.person.uid == 0:
        raise UsageError(
            "containers are for an ordinary user, and this is root",
            "run repoman as yourself: root outside must not be root inside",
        )
    numbers = [int(n) for n in facts.version.split(".")[:2] if n.isdigit()]
    if tuple(numbers) < _OLDEST:
        oldest = ".".join(map(str, _OLDEST))
        raise Failed(f"Incus {facts.version} is older than {oldest}", "update it")
    for folder in (facts.local_repos, facts.shared, *facts.mounts):
        check_folder(folder)


def check_folder(folder: str) -> None:
    """`UsageError` where no container could have `folder`."""
    if "," in folder:
        raise UsageError(
            f"{folder} has a comma, which Incus's list of allowed folders can't hold",
            "choose another folder",
        )

"""Facts about Incus and the host that containers depend on. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field, replace
from typing import Any

from repoman_tasks.errors import Failed, UsageError
from repoman_tasks.late_dataclass import dataclass
from repoman_tasks.model import Defaults, Person, Project
from repoman_tasks.planning.container.spec import Container
from repoman_tasks.planning.fence.bridge import Bridge
from repoman_tasks.planning.text.wording import format_size

__all__ = [
    "ADMIN_GROUP",
    "DESCRIPTION",
    "QUOTA_DRIVERS",
    "REPAIR_CURE",
    "FenceFacts",
    "FenceOptions",
    "NestingFacts",
    "Pool",
    "check_fence_facts",
    "check_folder",
]

ADMIN_GROUP = "incus-admin"
DESCRIPTION = "Containers of repoman, one per project"
REPAIR_CURE = "run `repoman setup --repair`"
"""Cure of the findings that `setup` repairs only on request."""
_MINIMUM_VERSION = (6, 0)
QUOTA_DRIVERS = ("btrfs", "zfs", "lvm", "ceph")
"""Storage drivers that enforce the size of a disk (Incus: reference on storage drivers)."""


@dataclass(frozen=True)
class FenceOptions:
    """Options of `setup` that concern the fence."""

    storage_pool: str = ""
    network: str = ""
    init: bool = False
    repair: bool = False


@dataclass(frozen=True)
class Pool:
    """Storage pool; sizes in MiB."""

    driver: str
    total_mib: int
    free_mib: int

    @property
    def free_text(self) -> str:
        """Free space, such as "8.5 GiB"."""
        return format_size(self.free_mib << 20)

    def disk_config(self, size: str) -> dict[str, str]:
        """Return the keys that limit a root disk to `size`, or to half of the pool if empty.

        Empty if the driver has no quotas.
        """
        if self.driver not in QUOTA_DRIVERS:
            return {}
        return {"size": size or f"{max(1, self.total_mib >> 11)}GiB"}


@dataclass(frozen=True)
class NestingFacts:
    """The facts of the Incus project that allows nesting, as FenceFacts has those of the first."""

    project: Mapping[str, str] | None
    profiles: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    mount_users: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class FenceFacts:
    """Incus and the host as `setup` and `status` find them."""

    version: str
    """Version of the Incus server."""
    pools: Mapping[str, Pool]
    """Storage pools by name."""
    networks: Mapping[str, Bridge]
    """Managed bridges by name."""
    project: Mapping[str, str] | None
    """Configuration of the Incus project; None if it does not exist."""
    others: Mapping[str, Mapping[str, str]] = field(default_factory=dict, kw_only=True)
    """Configuration of all Incus projects by name."""
    profiles: Mapping[str, Mapping[str, Any]]
    """Profiles of the Incus project by name."""
    processors: int
    person: Person
    local_repos: str
    login_folder: str = ""
    """Real path of the folder of the shared login; empty if there is to be none."""
    login_exists: bool = True
    login_others: tuple[str, ...] = ()
    """Names in that folder that are not the login's."""
    mounts: tuple[str, ...] = ()
    """Other folders that the registry mounts into containers."""
    subuid: str | None = None
    subgid: str | None = None
    """Contents of /etc/subuid and /etc/subgid; None if the file does not exist."""
    acls: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Network ACLs by name."""
    host_networks: tuple[str, ...] = ()
    """Networks that the host has an address in or a route to."""
    projects: tuple[Project, ...] = ()
    firewalls: tuple[str, ...] = ()
    """Firewalls on the host that may drop the containers' packets, see `reachability`."""
    mount_users: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Containers and profiles that mount a folder, by the folder's path on the host."""
    filter_unit: str | None = None
    """Text of the unit that `host_filter` describes; None if it does not exist."""
    memory: int = 0
    """Memory of the host in bytes; 0 if unknown."""
    containers: Mapping[str, Container] = field(default_factory=dict)
    kernel: Mapping[str, int] = field(default_factory=dict)
    """Settings of the host's kernel that `kernel_limits` judges."""
    defaults: Defaults = field(default_factory=Defaults)
    nesting: NestingFacts | None = None
    """Facts about the Incus project that allows nesting; None if no container belongs there."""
    nesting_left: tuple[str, ...] = ()
    """Names of containers that are there without a project, if none belongs there."""
    nesting_volumes: tuple[tuple[str, str], ...] = ()
    """Pool and name of each volume that is there without a container, if none belongs there."""

    @property
    def of_nesting(self) -> FenceFacts | None:
        """The same facts with that Incus project in place of the first; None if there are none."""
        if self.nesting is None:
            return None
        return replace(
            self,
            project=self.nesting.project,
            profiles=self.nesting.profiles,
            mount_users=self.nesting.mount_users,
            defaults=replace(self.defaults, nesting=True),
            login_others=(),  # told of the first
            nesting=None,
        )


def check_fence_facts(facts: FenceFacts) -> None:
    """Raise RepomanError if `setup` can't make containers possible on this host."""
    if facts.person.uid == 0:
        raise UsageError(
            "containers are for an ordinary user, not for root",
            "run repoman as yourself: root outside must not be root inside",
        )
    numbers = [int(n) for n in facts.version.split(".")[:2] if n.isdigit()]
    if tuple(numbers) < _MINIMUM_VERSION:
        minimum = ".".join(map(str, _MINIMUM_VERSION))
        raise Failed(f"Incus {facts.version} is older than {minimum}", "update it")
    for folder in (facts.local_repos, facts.login_folder, *facts.mounts):
        check_folder(folder)


def check_folder(folder: str) -> None:
    """Raise UsageError if Incus can't allow mounts from `folder`."""
    if "," in folder:
        raise UsageError(
            f"{folder} contains a comma, which Incus's list of allowed folders can't hold",
            "choose another folder",
        )

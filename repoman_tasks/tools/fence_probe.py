"""Looking at what containers stand on: the daemon, its parts, and the host's maps of ids."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

from repoman_tasks.errors import Failed
from repoman_tasks.hosts.base import Host
from repoman_tasks.model import Defaults, Person
from repoman_tasks.planning.container.drift import Containers
from repoman_tasks.planning.container.spec import SHARE_PROFILE
from repoman_tasks.planning.fence.bridge import Bridge
from repoman_tasks.planning.fence.fence_facts import ADMIN_GROUP, FenceFacts, Pool
from repoman_tasks.planning.findings import EstateFacts
from repoman_tasks.planning.names import absolute
from repoman_tasks.tools.incus import Incus

__all__ = ["foresee_grounds", "foresee_networks", "host_networks", "read_fence_facts"]

_SERVER = "/1.0"
_POOLS = "/1.0/storage-pools?recursion=1"
_NETWORKS = "/1.0/networks?recursion=1"
_ACLS = "/1.0/network-acls?recursion=1"
_DOCKER, _FIREWALLD = "/sys/class/net/docker0", "/run/firewalld"
_UFW, _SUBUID, _SUBGID = "/etc/ufw/ufw.conf", "/etc/subuid", "/etc/subgid"
_ADDRESSES = ("ip", "-json", "address", "show", "scope", "global")
_PROCESSORS = ("nproc",)
_USUAL_POOL = "default"
"""As `incus admin init` calls it."""


def read_fence_facts(
    incus: Incus, facts: EstateFacts, containers: Containers, whose: Callable[[], Person]
) -> FenceFacts:
    """What there is beside the `containers`; `whose` are they.

    `Failed` where Incus can't be asked, with the cure that fits.
    """
    host, defaults = incus.host, facts.registry.defaults
    foresee_grounds(incus, defaults)
    shared = _shared(host, defaults)
    folders = _folders(shared)
    real = dict(zip(folders, host.real_folders(folders), strict=True))
    server = _server(incus)
    config = incus.get(incus.project_path)
    profiles = _profiles(incus) if config is not None else {}
    real_shared = real.get(shared)
    return FenceFacts(
        version=str((server.get("environment") or {}).get("server_version", "")),
        pools=_pools(incus),
        networks=_bridges(incus),
        acls={str(one["name"]): one for one in incus.get(_ACLS) or []},
        host_networks=host_networks(host),
        projects=facts.registry.projects,
        firewalls=_firewalls(host, real),
        project=None if config is None else dict(config.get("config") or {}),
        profiles=profiles,
        mount_users=_mount_users(containers, profiles) if config is not None else {},
        processors=_processors(host),
        person=whose(),
        local_repos=facts.local_repos,
        shared=real_shared or shared,
        shared_exists=real_shared is not None,
        mounts=tuple(
            absolute(mount.source, host.home)
            for project in facts.registry.projects
            for mount in (*project.mounts, *project.asked_mounts)
        ),
        shared_path=shared,
        subuid=_text(host, _SUBUID),
        subgid=_text(host, _SUBGID),
        defaults=defaults,
    )


def foresee_grounds(incus: Incus, defaults: Defaults) -> None:
    """Say that all of it will be asked for; the pool is probably that of the `defaults`."""
    folders = _folders(_shared(incus.host, defaults))
    incus.foresee(_SERVER, incus.project_path, incus.all_profiles, _POOLS, _NETWORKS, _ACLS)
    incus.foresee(_resources(defaults.storage_pool or _USUAL_POOL))
    incus.host.foresee([_ADDRESSES, _PROCESSORS], files=(_UFW, _SUBUID, _SUBGID), folders=folders)


def _shared(host: Host, defaults: Defaults) -> str:
    return absolute(defaults.shared, host.home) if defaults.shared else ""


def _folders(shared: str) -> list[str]:
    return [_DOCKER, _FIREWALLD, *([shared] if shared else [])]


def _server(incus: Incus) -> dict[str, Any]:
    try:
        server: dict[str, Any] = incus.get(_SERVER) or {}
        return server
    except Failed as problem:
        if "may not talk" in problem.what and _is_new_member(incus.host):
            raise Failed(
                f"{problem.what} yet", f"you are in the group {ADMIN_GROUP}: log in again"
            ) from None
        raise


def _is_new_member(host: Host) -> bool:
    """Whether the group's database names the user, whose session began before it did."""
    members = host.read(["getent", "group", ADMIN_GROUP]).text.strip().rpartition(":")[2]
    name = host.read(["id", "--user", "--name"]).text.strip()
    return bool(name) and name in members.split(",")


def _bridges(incus: Incus) -> dict[str, Bridge]:
    found = incus.get(_NETWORKS) or []
    return {str(one["name"]): Bridge(one.get("config") or {}) for one in found if _is_bridge(one)}


def foresee_networks(host: Host) -> None:
    """Say that the networks of `host` will be asked for."""
    host.foresee([_ADDRESSES])


def host_networks(host: Host) -> tuple[str, ...]:
    """The networks that `host` has addresses in, as CIDRs; those of one link aside."""
    said = host.read(_ADDRESSES)
    try:
        found = {
            f"{address['local']}/{address['prefixlen']}"
            for link in json.loads(said.out or b"[]")
            for address in link.get("addr_info") or []
            if address  # for one of another scope there is an empty one
        }
    except (ValueError, KeyError, TypeError, AttributeError):
        raise Failed("`ip address` gave a strange answer", said.complaint) from None
    return tuple(sorted(found))


def _firewalls(host: Host, real: Mapping[str, str | None]) -> tuple[str, ...]:
    """Firewalls that are on, as far as an ordinary user can see; `real` are folders there."""
    found = []
    if real[_DOCKER]:
        found.append("Docker")
    if "ENABLED=yes" in (_text(host, _UFW) or "").splitlines():
        found.append("ufw")
    if real[_FIREWALLD]:
        found.append("firewalld")
    return tuple(found)


def _pools(incus: Incus) -> dict[str, Pool]:
    found = incus.get(_POOLS) or []
    incus.foresee(*(_resources(str(one["name"])) for one in found))
    return {str(one["name"]): _pool(incus, one) for one in found}


def _resources(pool: str) -> str:
    return f"/1.0/storage-pools/{quote(pool, safe='')}/resources"


def _pool(incus: Incus, pool: dict[str, Any]) -> Pool:
    space = (incus.get(_resources(str(pool["name"]))) or {}).get("space") or {}
    total, used = int(space.get("total", 0)), int(space.get("used", 0))
    return Pool(str(pool.get("driver", "")), total >> 20, (total - used) >> 20)


def _is_bridge(network: dict[str, Any]) -> bool:
    return bool(network.get("managed")) and network.get("type") == "bridge"


def _profiles(incus: Incus) -> dict[str, dict[str, Any]]:
    return {str(one["name"]): one for one in incus.get(incus.all_profiles) or []}


def _mount_users(containers: Containers, profiles: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """What is mounted by whom; the profile of the shared folder is left out, setup changes it."""
    if containers.problem:
        raise Failed(*containers.problem)
    found: dict[str, tuple[str, ...]] = {}
    users = {name: container.devices for name, container in containers.by_name.items()}
    for name, profile in profiles.items():
        if name != SHARE_PROFILE:
            users[f"the profile {name}"] = profile.get("devices") or {}
    for name, devices in users.items():
        for device in devices.values():
            if device.get("type") == "disk" and device.get("source"):
                found[device["source"]] = (*found.get(device["source"], ()), name)
    return found


def _processors(host: Host) -> int:
    found = host.read(_PROCESSORS).text.strip()
    return int(found) if found.isdigit() else 1


def _text(host: Host, path: str) -> str | None:
    data = host.read_file(path)
    return None if data is None else data.decode(errors="replace")

"""Looking at what containers stand on: the daemon, its parts, and the host's maps of ids."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from repoman_tasks.errors import Failed
from repoman_tasks.hosts.base import Future, Host, Result
from repoman_tasks.model import Defaults, Person
from repoman_tasks.planning.container.drift import Containers
from repoman_tasks.planning.container.spec import SHARE_PROFILE
from repoman_tasks.planning.fence.bridge import Bridge
from repoman_tasks.planning.fence.fence_facts import ADMIN_GROUP, FenceFacts, Pool
from repoman_tasks.planning.findings import EstateFacts
from repoman_tasks.planning.names import absolute
from repoman_tasks.tools.incus import Incus

__all__ = ["FenceAnswers", "read_fence_facts", "submit_fence", "submit_host_networks"]

_SERVER = "/1.0"
_POOLS = "/1.0/storage-pools?recursion=1"
_NETWORKS = "/1.0/networks?recursion=1"
_ACLS = "/1.0/network-acls?recursion=1"
_DOCKER, _FIREWALLD = "/sys/class/net/docker0", "/run/firewalld"
_UFW, _SUBUID, _SUBGID = "/etc/ufw/ufw.conf", "/etc/subuid", "/etc/subgid"
_USUAL_POOL = "default"
"""As `incus admin init` calls it."""


@dataclass(frozen=True)
class FenceAnswers:
    """All that was asked of Incus and of the host about what containers stand on."""

    incus: Incus
    defaults: Defaults
    folders: Future[list[str | None]]
    server: Future[Any]
    project: Future[Any]
    profiles: Future[Any]
    pools: Future[Any]
    networks: Future[Any]
    acls: Future[Any]
    spaces: dict[str, Future[Any]]
    """What is in the pools whose names were known, or guessed."""
    host_networks: Future[tuple[str, ...]]
    processors: Future[int]
    ufw: Future[str]
    subuid: Future[str | None]
    subgid: Future[str | None]


def submit_fence(incus: Incus, defaults: Defaults) -> FenceAnswers:
    """Ask for all of it; the pool is probably that of the `defaults`."""
    host, pool = incus.host, defaults.storage_pool or _USUAL_POOL
    return FenceAnswers(
        incus=incus,
        defaults=defaults,
        server=incus.submit(_SERVER),
        folders=host.submit_folders(_folders(_shared(host, defaults))),
        project=incus.submit(incus.project_path),
        profiles=incus.submit(incus.at("profiles"), recursion=1),
        pools=incus.submit(_POOLS),
        networks=incus.submit(_NETWORKS),
        acls=incus.submit(_ACLS),
        spaces={pool: incus.submit(_resources(pool))},
        host_networks=submit_host_networks(host),
        processors=host.submit(["nproc"]).then(_number),
        ufw=_submit_text(host, _UFW).then(lambda text: text or ""),
        subuid=_submit_text(host, _SUBUID),
        subgid=_submit_text(host, _SUBGID),
    )


def read_fence_facts(
    asked: FenceAnswers, facts: EstateFacts, containers: Containers, whose: Callable[[], Person]
) -> FenceFacts:
    """Return what there is beside the `containers`; `whose` are they.

    `Failed` if Incus can't be asked, with the cure that fits.
    """
    host, defaults = asked.incus.host, asked.defaults
    shared = _shared(host, defaults)
    server, config = _server(asked), asked.project.result()
    profiles = _profiles(asked) if config is not None else {}
    real = dict(zip(_folders(shared), asked.folders.result(), strict=True))
    real_shared = real.get(shared)
    return FenceFacts(
        version=str((server.get("environment") or {}).get("server_version", "")),
        pools=_pools(asked),
        networks=_bridges(asked),
        acls={str(one["name"]): one for one in asked.acls.result() or []},
        host_networks=asked.host_networks.result(),
        projects=facts.registry.projects,
        firewalls=_firewalls(asked.ufw.result(), real),
        project=None if config is None else dict(config.get("config") or {}),
        profiles=profiles,
        mount_users=_mount_users(containers, profiles) if config is not None else {},
        processors=asked.processors.result(),
        person=whose(),
        local_repos=facts.local_repos,
        shared=real_shared or shared,
        shared_exists=real_shared is not None,
        mounts=_mounts(facts, host.home),
        shared_path=shared,
        subuid=asked.subuid.result(),
        subgid=asked.subgid.result(),
        defaults=defaults,
    )


def _mounts(facts: EstateFacts, home: str) -> tuple[str, ...]:
    return tuple(
        absolute(mount.source, home)
        for project in facts.registry.projects
        for mount in (*project.mounts, *project.asked_mounts)
    )


def _shared(host: Host, defaults: Defaults) -> str:
    return absolute(defaults.shared, host.home) if defaults.shared else ""


def _folders(shared: str) -> list[str]:
    return [_DOCKER, _FIREWALLD, *([shared] if shared else [])]


def _server(asked: FenceAnswers) -> dict[str, Any]:
    try:
        server: dict[str, Any] = asked.server.result() or {}
        return server
    except Failed as problem:
        if "may not talk" in problem.what and _is_new_member(asked.incus.host):
            raise Failed(
                f"{problem.what} yet", f"you are in the group {ADMIN_GROUP}: log in again"
            ) from None
        raise


def _is_new_member(host: Host) -> bool:
    """Whether the group's database names the user, whose session began before it did."""
    members = host.read(["getent", "group", ADMIN_GROUP]).text.strip().rpartition(":")[2]
    name = host.read(["id", "--user", "--name"]).text.strip()
    return bool(name) and name in members.split(",")


def _bridges(asked: FenceAnswers) -> dict[str, Bridge]:
    found = asked.networks.result() or []
    return {str(one["name"]): Bridge(one.get("config") or {}) for one in found if _is_bridge(one)}


def submit_host_networks(host: Host) -> Future[tuple[str, ...]]:
    """Ask for the networks that `host` has addresses in, as CIDRs; those of one link aside."""
    return host.submit(["ip", "-json", "address", "show", "scope", "global"]).then(_cidrs)


def _cidrs(said: Result) -> tuple[str, ...]:
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


def _firewalls(ufw: str, real: Mapping[str, str | None]) -> tuple[str, ...]:
    """Return the firewalls that are on, as far as an ordinary user can see: `ufw` is its settings,
    and `real` are folders there."""
    found = []
    if real[_DOCKER]:
        found.append("Docker")
    if "ENABLED=yes" in ufw.splitlines():
        found.append("ufw")
    if real[_FIREWALLD]:
        found.append("firewalld")
    return tuple(found)


def _pools(asked: FenceAnswers) -> dict[str, Pool]:
    pools = {str(one["name"]): one for one in asked.pools.result() or []}
    spaces = {
        name: asked.spaces.get(name) or asked.incus.submit(_resources(name)) for name in pools
    }
    return {name: _pool(one, spaces[name].result()) for name, one in pools.items()}


def _resources(pool: str) -> str:
    return f"/1.0/storage-pools/{quote(pool, safe='')}/resources"


def _pool(pool: Mapping[str, Any], resources: Mapping[str, Any] | None) -> Pool:
    space = (resources or {}).get("space") or {}
    total, used = int(space.get("total", 0)), int(space.get("used", 0))
    return Pool(str(pool.get("driver", "")), total >> 20, (total - used) >> 20)


def _is_bridge(network: dict[str, Any]) -> bool:
    return bool(network.get("managed")) and network.get("type") == "bridge"


def _profiles(asked: FenceAnswers) -> dict[str, dict[str, Any]]:
    return {str(one["name"]): one for one in asked.profiles.result() or []}


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


def _number(said: Result) -> int:
    found = said.text.strip()
    return int(found) if found.isdigit() else 1


def _submit_text(host: Host, path: str) -> Future[str | None]:
    found = host.submit_file(path)
    return found.then(lambda data: None if data is None else data.decode(errors="replace"))

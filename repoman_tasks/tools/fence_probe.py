"""Reads what containers depend on: the Incus daemon, and the host's firewalls and ID maps."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from typing import Any
from urllib.parse import quote, unquote

from repoman_tasks.errors import Failed
from repoman_tasks.hosts.base import Future, Host, Result
from repoman_tasks.late_dataclass import dataclass
from repoman_tasks.model import Defaults, Person
from repoman_tasks.planning.container.drift import Containers
from repoman_tasks.planning.container.homes import nesting_project
from repoman_tasks.planning.container.memory_bound import host_memory
from repoman_tasks.planning.container.spec import SHARE_PROFILE
from repoman_tasks.planning.fence.bridge import Bridge
from repoman_tasks.planning.fence.fence_facts import ADMIN_GROUP, FenceFacts, NestingFacts, Pool
from repoman_tasks.planning.fence.host_filter import filter_path
from repoman_tasks.planning.fence.kernel_limits import parse_settings, settings_argv
from repoman_tasks.planning.fence.ownership import MAPPED_UID
from repoman_tasks.planning.fence.routes import Route, parse_routes, routed_networks
from repoman_tasks.planning.findings import EstateFacts
from repoman_tasks.planning.names import absolute, inside
from repoman_tasks.planning.text.strict_json import parse_json
from repoman_tasks.tools.incus import VOLUME_USE, Incus, profiles_path
from repoman_tasks.tools.login_folder import check_login_folder, login_folder, submit_other_names
from repoman_tasks.tools.mount_sources import folders_to_allow

__all__ = ["FenceAnswers", "read_fence_facts", "submit_fence", "submit_host_networks"]

_SERVER = "/1.0"
_POOLS = "/1.0/storage-pools?recursion=1"
_PROJECTS = "/1.0/projects?recursion=1"
_NETWORKS = "/1.0/networks?recursion=1"
_ACLS = "/1.0/network-acls?recursion=1"
_DOCKER, _FIREWALLD = "/sys/class/net/docker0", "/run/firewalld"
_UFW, _SUBUID, _SUBGID = "/etc/ufw/ufw.conf", "/etc/subuid", "/etc/subgid"
_FAMILIES = ("-4", "-6")
_MOST_BYTES = 16 << 20
_INSTANCE = re.compile(r"/1\.0/instances/([A-Za-z0-9-]+)\?")
"""One use of an Incus project by a container."""
_USUAL_POOL = "default"
"""The pool that `incus admin init` creates."""


@dataclass(frozen=True)
class FenceAnswers:
    """Pending answers of Incus and the host that `read_fence_facts` evaluates."""

    incus: Incus
    defaults: Defaults
    login: str
    """Path of the folder of the shared login, or ""."""
    folders: Future[list[str | None]]
    server: Future[Any]
    all_projects: Future[Any]
    profiles: Future[Any]
    nesting_profiles: Future[Any] | None
    """Those of the Incus project that allows nesting; None if no container belongs there."""
    pools: Future[Any]
    networks: Future[Any]
    acls: Future[Any]
    spaces: dict[str, Future[Any]]
    """Space of the pools whose names were known or guessed, by name."""
    host_networks: Future[tuple[str, ...]]
    login_others: Future[tuple[str, ...]]
    processors: Future[int]
    ufw: Future[str]
    subuid: Future[str | None]
    subgid: Future[str | None]
    filter_unit: Future[str | None]
    meminfo: Future[bytes | None]
    kernel: Future[Result]
    """Settings of the kernel."""


def submit_fence(incus: Incus, defaults: Defaults) -> FenceAnswers:
    """Ask for all answers; the pool is guessed from `defaults`."""
    host, pool = incus.host, defaults.storage_pool or _USUAL_POOL
    login = login_folder(host, defaults)
    return FenceAnswers(
        incus=incus,
        defaults=defaults,
        login=login,
        server=incus.submit(_SERVER),
        folders=host.submit_folders(_folders(login)),
        all_projects=incus.submit(_PROJECTS),
        profiles=incus.submit(incus.at("profiles"), recursion=1),
        nesting_profiles=_submit_nesting_profiles(incus),
        pools=incus.submit(_POOLS),
        networks=incus.submit(_NETWORKS),
        acls=incus.submit(_ACLS),
        spaces={pool: incus.submit(_resources(pool))},
        host_networks=submit_host_networks(host),
        login_others=submit_other_names(host, login),
        processors=host.submit(["nproc"]).then(_parse_count),
        ufw=_submit_text(host, _UFW).then(lambda text: text or ""),
        subuid=_submit_text(host, _SUBUID),
        subgid=_submit_text(host, _SUBGID),
        filter_unit=_submit_text(host, filter_path(defaults.bridge)),
        meminfo=host.submit_file("/proc/meminfo"),
        kernel=host.submit(settings_argv()),
    )


def _submit_nesting_profiles(incus: Incus) -> Future[Any] | None:
    name = nesting_project(incus.project)
    return incus.submit(profiles_path(name), 1) if name in incus.homes.projects else None


def read_fence_facts(
    answers: FenceAnswers,
    facts: EstateFacts,
    containers: Containers,
    find_person: Callable[[], Person],
) -> FenceFacts:
    """Return the facts for planning the fence; raise Failed, with a cure, without an answer."""
    others = _others(answers)
    profiles = _by_name(answers.profiles) if answers.incus.project in others else {}
    real = dict(zip(_folders(answers.login), answers.folders.result(), strict=True))
    return FenceFacts(
        version=_version(answers),
        pools=_pools(answers),
        networks=_bridges(answers),
        acls=_by_name(answers.acls),
        host_networks=answers.host_networks.result(),
        projects=facts.registry.projects,
        firewalls=_firewalls(answers.ufw.result(), real),
        project=others.get(answers.incus.project),
        others=others,
        profiles=profiles,
        mount_users=_mount_users(containers, profiles, answers.incus.project, others),
        nesting=_nesting(answers, containers, others),
        nesting_left=_nesting_left(answers, facts),
        nesting_volumes=_nesting_volumes(answers),
        processors=answers.processors.result(),
        person=find_person(),  # the last to be found
        local_repos=facts.local_repos,
        login_folder=_real_login(answers.login, real),
        login_exists=real.get(answers.login) is not None,
        login_others=answers.login_others.result(),
        mounts=_mounts(answers.incus.host, facts),
        subuid=answers.subuid.result(),
        subgid=answers.subgid.result(),
        filter_unit=answers.filter_unit.result(),
        memory=host_memory(answers.meminfo.result()),
        containers=containers.by_name,
        kernel=_settings(answers.kernel),
        defaults=answers.defaults,
    )


def _others(answers: FenceAnswers) -> dict[str, dict[str, str]]:
    """Return the configuration of each Incus project."""
    _server(answers)  # if Incus does not answer, this gives the best reason
    return _configurations(answers.all_projects)


def _version(answers: FenceAnswers) -> str:
    return str((_server(answers).get("environment") or {}).get("server_version", ""))


def _nesting(
    answers: FenceAnswers, containers: Containers, others: Mapping[str, Mapping[str, str]]
) -> NestingFacts | None:
    """Return the facts about the Incus project that allows nesting, if a container belongs there.

    `others` has the configuration of each Incus project.
    """
    if answers.nesting_profiles is None:
        return None
    name = nesting_project(answers.incus.project)
    if name not in others:
        return NestingFacts(None)
    profiles = _by_name(answers.nesting_profiles)
    return NestingFacts(others[name], profiles, _mount_users(containers, profiles, name, others))


def _nesting_left(answers: FenceAnswers, facts: EstateFacts) -> tuple[str, ...]:
    """Return the names of the containers in that Incus project if no project has nesting."""
    known = {project.name for project in facts.registry.projects}
    return tuple(sorted({name for (name,) in _unused(answers, _INSTANCE)} - known))


def _nesting_volumes(answers: FenceAnswers) -> tuple[tuple[str, str], ...]:
    """Return pool and name of each volume in that Incus project without a container beside it.

    There are none if a project has nesting: `status` looks at these volumes then.
    """
    beside = {name for (name,) in _unused(answers, _INSTANCE)}
    found = _unused(answers, VOLUME_USE)
    return tuple(sorted((pool, name) for pool, name in found if name not in beside))


def _unused(answers: FenceAnswers, pattern: re.Pattern[str]) -> set[tuple[str, ...]]:
    """Return what `pattern` finds in the Incus project for nesting, if no project has that."""
    project = _by_name(answers.all_projects).get(nesting_project(answers.incus.project), {})
    if answers.nesting_profiles is not None or _is_foreign(project, answers.incus.host.uid):
        return set()
    uses = filter(None, map(pattern.match, map(str, project.get("used_by") or ())))
    return {tuple(map(unquote, use.groups())) for use in uses}


def _is_foreign(project: Mapping[str, Any], uid: int) -> bool:
    """Return True if an Incus project is another person's."""
    config: Mapping[str, str] = project.get("config") or {}
    return config.get(MAPPED_UID, str(uid)) != str(uid)


def _mounts(host: Host, facts: EstateFacts) -> tuple[str, ...]:
    """Return the folders to allow for mounts, but no home for a file in it: `update` refuses it."""
    sources = [absolute(mount.source, host.home) for mount in facts.registry.all_mounts]
    folders = zip(sources, folders_to_allow(host, sources), strict=True)
    return tuple(f for source, f in folders if f == source or not inside(host.home, f))


def _real_login(login: str, real: Mapping[str, str | None]) -> str:
    """Return the real path of the folder of the login. Raise Refused if it leads elsewhere."""
    path = real.get(login) or login
    check_login_folder(login, path)
    return path


def _folders(login: str) -> list[str]:
    return [_DOCKER, _FIREWALLD, *([login] if login else [])]


def _server(answers: FenceAnswers) -> dict[str, Any]:
    try:
        server: dict[str, Any] = answers.server.result() or {}
        return server
    except Failed as problem:
        if "may not talk" in problem.what and _is_new_member(answers.incus.host):
            raise Failed(
                f"{problem.what} yet", f"you are in the group {ADMIN_GROUP}: log in again"
            ) from None
        raise


def _is_new_member(host: Host) -> bool:
    """Return True if the user is in the group now, but was not yet at login."""
    members = host.read(["getent", "group", ADMIN_GROUP]).text.strip().rpartition(":")[2]
    name = host.read(["id", "--user", "--name"]).text.strip()
    return bool(name) and name in members.split(",")


def _bridges(answers: FenceAnswers) -> dict[str, Bridge]:
    networks = answers.networks.result() or []
    bridges = filter(_is_bridge, networks)
    return {
        str(bridge["name"]): Bridge(
            bridge.get("config") or {}, tuple(map(str, bridge.get("used_by") or ()))
        )
        for bridge in bridges
    }


def submit_host_networks(host: Host) -> Future[tuple[str, ...]]:
    """Ask for the networks that `host` has an address in or a route to, as CIDRs.

    Those of link-local addresses and default routes are left out.
    """
    addresses = _submit_ip(host, "address", "show", "scope", "global").then(_parse_cidrs)
    routes = [_submit_ip(host, family, "route", "show", "table", "all") for family in _FAMILIES]

    def collect() -> tuple[str, ...]:
        found = [route for answer in routes for route in answer.then(_parse_routes).result()]
        return tuple(sorted({*addresses.result(), *routed_networks(found)}))

    return Future(collect)


def _submit_ip(host: Host, *argv: str) -> Future[Result]:
    return host.submit(["ip", "-json", *argv], max_bytes=_MOST_BYTES)


def _parse_routes(result: Result) -> list[Route]:
    try:
        return parse_routes(parse_json(result.out or b"[]"))
    except (ValueError, KeyError, TypeError, AttributeError):
        raise _not_of_ip(result) from None


def _not_of_ip(result: Result) -> Failed:
    return Failed("the output of ip can't be parsed", result.complaint)


def _parse_cidrs(result: Result) -> set[str]:
    try:
        return {
            f"{address['local']}/{address['prefixlen']}"
            for link in parse_json(result.out or b"[]")
            for address in link.get("addr_info") or []
            if address  # ip lists an address of another scope as {}
        }
    except (ValueError, KeyError, TypeError, AttributeError):
        raise _not_of_ip(result) from None


def _firewalls(ufw: str, real: Mapping[str, str | None]) -> tuple[str, ...]:
    """Return the names of the active firewalls that an ordinary user can detect.

    `ufw` is the text of its configuration file, and `real` maps folders to their real paths.
    """
    names = []
    if real[_DOCKER]:
        names.append("Docker")
    if "ENABLED=yes" in ufw.splitlines():
        names.append("ufw")
    if real[_FIREWALLD]:
        names.append("firewalld")
    return tuple(names)


def _pools(answers: FenceAnswers) -> dict[str, Pool]:
    pools = _by_name(answers.pools)
    spaces = {
        name: answers.spaces.get(name) or answers.incus.submit(_resources(name)) for name in pools
    }
    return {name: _pool(pool, spaces[name].result()) for name, pool in pools.items()}


def _resources(pool: str) -> str:
    return f"/1.0/storage-pools/{quote(pool, safe='')}/resources"


def _pool(pool: Mapping[str, Any], resources: Mapping[str, Any] | None) -> Pool:
    space = (resources or {}).get("space") or {}
    total, used = int(space.get("total", 0)), int(space.get("used", 0))
    return Pool(str(pool.get("driver", "")), total >> 20, (total - used) >> 20)


def _is_bridge(network: dict[str, Any]) -> bool:
    return bool(network.get("managed")) and network.get("type") == "bridge"


def _by_name(objects: Future[Any]) -> dict[str, dict[str, Any]]:
    return {str(each["name"]): each for each in objects.result() or []}


def _configurations(objects: Future[Any]) -> dict[str, dict[str, str]]:
    return {name: dict(one.get("config") or {}) for name, one in _by_name(objects).items()}


def _mount_users(
    containers: Containers, profiles: Mapping[str, Any], project: str, others: Collection[str]
) -> dict[str, tuple[str, ...]]:
    """Return the names of the users of each mounted path: containers and profiles of `project`.

    The profile of the shared login is left out, because setup itself changes it. `others` are all
    Incus projects.
    """
    if project not in others:
        return {}
    if containers.problem:
        raise Failed(*containers.problem)
    found: dict[str, tuple[str, ...]] = {}
    users = {
        name: container.devices
        for name, container in containers.by_name.items()
        if container.home in ("", project)
    }
    for name, profile in profiles.items():
        if name != SHARE_PROFILE:
            users[f"the profile {name}"] = profile.get("devices") or {}
    for name, devices in users.items():
        for device in devices.values():
            if device.get("type") == "disk" and device.get("source"):
                found[device["source"]] = (*found.get(device["source"], ()), name)
    return found


def _settings(answer: Future[Result]) -> dict[str, int]:
    """Return the settings of the kernel; none if the host has no sysctl."""
    try:
        return parse_settings(answer.result().text)
    except Failed:
        return {}


def _parse_count(result: Result) -> int:
    count = result.text.strip()
    return int(count) if count.isdigit() else 1


def _submit_text(host: Host, path: str) -> Future[str | None]:
    content = host.submit_file(path)
    return content.then(lambda data: None if data is None else data.decode(errors="replace"))

"""The fence around the containers: the restricted Incus project, and its profiles.

With `shift=true` on a disk device, root of a container makes set-uid files of the host's root.
So the project allows disk devices from a few folders only, where Incus refuses `shift`, and a
map of ids that lets one user's own uid and gid through; whatever root of a container makes
belongs to a uid that nobody has outside (Incus: reference/projects, raw.idmap).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from repoman_tasks.errors import Failed, RepomanError, UsageError
from repoman_tasks.model import Defaults, Person, Project
from repoman_tasks.planning.declared import SHARE_PROFILE, WEAKENING, Declared
from repoman_tasks.planning.health import Finding
from repoman_tasks.planning.names import inside
from repoman_tasks.planning.network import UNDOING, Bridge, bridge_config, bridge_faults, nic
from repoman_tasks.planning.rules import acl, same_rules
from repoman_tasks.planning.steps import AsRoot, CallIncus, MakeFolder, Step

__all__ = [
    "ADMIN_GROUP",
    "DEFAULT_PROFILE",
    "FenceWish",
    "Grounds",
    "Pool",
    "fence_findings",
    "fence_steps",
    "idmap",
    "missing_ids",
    "opening_steps",
    "rules_steps",
]

DEFAULT_PROFILE = "default"
ADMIN_GROUP = "incus-admin"
_OLDEST = (6, 0)
_FIRST_POOL = "default"
_WITH_QUOTA = ("btrfs", "zfs", "lvm", "ceph")
"""Kinds of storage pools that hold a disk to a size (Incus: reference on storage drivers)."""
_LEAST_FREE_MIB = 512
"""With less in the storage pool, what runs in the containers will soon fail."""
_PATHS = "restricted.devices.disk.paths"
_HARMLESS = ("block", "managed", "unprivileged", "isolated", "false", "")
"""Values of `restricted.…` that allow nothing."""


@dataclass(frozen=True)
class FenceWish:
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

    def disk(self, wanted: str) -> dict[str, str]:
        """What holds a container's disk to the size that is wanted, or to half of the pool."""
        if self.driver not in _WITH_QUOTA:
            return {}
        return {"size": wanted or f"{max(1, self.total_mib >> 11)}GiB"}


@dataclass(frozen=True)
class Grounds:
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
    """Those of the host that are known to drop what is not theirs: keys of `_FIREWALLS`."""
    used: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Folders of the host that are mounted, each with the containers and profiles that do."""
    defaults: Defaults = field(default_factory=Defaults)


def missing_ids(grounds: Grounds) -> list[str]:
    """The lines that /etc/subuid and /etc/subgid lack, as "subuid root:1000:1"."""
    person = grounds.person
    files = (("subuid", grounds.subuid, person.uid), ("subgid", grounds.subgid, person.gid))
    return [
        f"{name} root:{number}:1"
        for name, text, number in files
        if text is not None and not _allows(text, number)
    ]


def _allows(text: str, number: int) -> bool:
    """Whether root may map `number`, by a line `root:FIRST:COUNT` (see subuid(5))."""
    for line in text.splitlines():
        parts = line.split(":")
        if len(parts) == 3 and parts[0] in ("root", "0") and "".join(parts[1:]).isdigit():
            first, count = int(parts[1]), int(parts[2])
            if first <= number < first + count:
                return True
    return False


def idmap(person: Person) -> str:
    """Incus's `raw.idmap` that lets `person` through, and nobody else."""
    if person.uid == person.gid:
        return f"both {person.uid} {person.uid}"
    return f"uid {person.uid} {person.uid}\ngid {person.gid} {person.gid}"


def check_grounds(grounds: Grounds) -> None:
    """`RepomanError` where no container can be here, whatever is set up."""
    if grounds.person.uid == 0:
        raise UsageError(
            "containers are for an ordinary user, and this is root",
            "run repoman as yourself: root outside must not be root inside",
        )
    numbers = [int(n) for n in grounds.version.split(".")[:2] if n.isdigit()]
    if tuple(numbers) < _OLDEST:
        oldest = ".".join(map(str, _OLDEST))
        raise Failed(f"Incus {grounds.version} is older than {oldest}", "update it")
    for folder in filter(None, (grounds.local_repos, grounds.shared, *grounds.mounts)):
        if "," in folder:
            raise UsageError(
                f"{folder} has a comma, which Incus's list of allowed folders can't hold",
                "choose another folder",
            )


def fence_steps(grounds: Grounds, wish: FenceWish, project: str) -> list[Step]:
    """The steps to a fenced project; none where all is so.

    What exists and differs is changed only where `wish.repair` is set; until then
    `fence_findings` names it. `RepomanError` where it can't be.
    """
    check_grounds(grounds)
    steps: list[Step] = []
    pool, network = _parts(grounds, wish, steps)
    steps += network_steps(grounds, network)
    if missing_ids(grounds):
        steps.append(_allow_ids(grounds.person))
    if grounds.shared and not grounds.shared_exists:
        steps.append(MakeFolder(grounds.shared))
    path = f"/1.0/projects/{_quoted(project)}"
    profiles = _profile_steps(grounds, wish, pool, network, f"?project={_quoted(project)}")
    wanted = _project(grounds, network)
    if grounds.project is None:
        body: dict[str, Any] = {"name": project, "config": wanted, "description": _DESCRIPTION}
        what = f"create the Incus project {project}, restricted"
        return [*steps, CallIncus(what, "POST", "/1.0/projects", body), *profiles]
    if not wish.repair or not (wrong := _project_faults(grounds, network)):
        return [*steps, *profiles]
    kept = {k: v for k, v in grounds.project.items() if not _is_extra(k, v, wanted)}
    now, after = _paths(grounds.project), _paths(wanted)
    if profiles and set(after) - set(now):
        # The profiles leave the old folders for the new ones, and meanwhile need both.
        both = {**grounds.project, _PATHS: ",".join(dict.fromkeys([*now, *after]))}
        what = f"allow the Incus project {project} {', '.join(set(after) - set(now))} too"
        steps.append(CallIncus(what, "PUT", path, {"config": both}))
    what = f"strengthen the Incus project {project}: {'; '.join(wrong)}"
    return [*steps, *profiles, CallIncus(what, "PUT", path, {"config": kept | wanted})]


_DESCRIPTION = "Containers of repoman, one for each project"


def _quoted(name: str) -> str:
    return quote(name, safe="")


def _profile_steps(
    grounds: Grounds, wish: FenceWish, pool: str, network: str, at: str
) -> list[Step]:
    steps: list[Step] = []
    wanted = _default_profile(grounds, pool, network)
    now = grounds.profiles.get(DEFAULT_PROFILE)
    path = f"/1.0/profiles/{DEFAULT_PROFILE}{at}"
    if _is_empty(now):
        what = "fill the profile default: root disk, network, idmap, limits"
        steps.append(CallIncus(what, "PUT", path, wanted))
    elif wish.repair and (wrong := _profile_faults(now or {}, wanted)):
        what = f"mend the profile default: {'; '.join(wrong)}"
        steps.append(CallIncus(what, "PUT", path, _mended(now or {}, wanted)))
    return [*steps, *_share_steps(grounds, wish, at)]


def _share_steps(grounds: Grounds, wish: FenceWish, at: str) -> list[Step]:
    wanted, there = _share_profile(grounds), grounds.profiles.get(SHARE_PROFILE)
    if there is None and grounds.shared:
        what = f"create the profile {SHARE_PROFILE}, which shares {grounds.shared}"
        body = {"name": SHARE_PROFILE, **wanted}
        return [CallIncus(what, "POST", f"/1.0/profiles{at}", body)]
    if there is None or not wish.repair or _shares(there, wanted):
        return []
    what = f"have the profile {SHARE_PROFILE} share {grounds.shared or 'nothing'}"
    return [CallIncus(what, "PUT", f"/1.0/profiles/{SHARE_PROFILE}{at}", wanted)]


def _share_profile(grounds: Grounds) -> dict[str, Any]:
    device = {"type": "disk", "source": grounds.shared, "path": grounds.shared_path}
    return {
        "config": {},
        "devices": {SHARE_PROFILE: device} if grounds.shared else {},
        "description": "The folder that every container shares",
    }


def _shares(profile: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    return all((profile.get(key) or {}) == wanted[key] for key in ("config", "devices"))


def _parts(grounds: Grounds, wish: FenceWish, steps: list[Step]) -> tuple[str, str]:
    """The names of pool and network; steps that make them where Incus is to be initialised."""
    if not grounds.pools and not wish.init:
        raise Failed(
            "Incus was never initialised, it has no storage pool",
            "`repoman setup --init-incus`, or `incus admin init`",
        )
    if not grounds.pools:
        name = wish.storage_pool or grounds.defaults.storage_pool or _FIRST_POOL
        body = {"name": name, "driver": "dir", "config": {}}
        what = f"create the storage pool {name}, in a plain folder"
        steps.append(CallIncus(what, "POST", "/1.0/storage-pools", body))
        pool = name
    else:
        pool = _chosen(
            "storage pool",
            "--storage-pool",
            (wish.storage_pool, grounds.defaults.storage_pool),
            tuple(grounds.pools),
            _FIRST_POOL,
        )
    return pool, _bridge(grounds, wish)


def _bridge(grounds: Grounds, wish: FenceWish) -> str:
    """The bridge of the containers: the one that was named, or repoman's own."""
    wanted = wish.network or grounds.defaults.bridge
    if wanted not in grounds.networks and wanted != Defaults().bridge and not wish.init:
        there = ", ".join(grounds.networks) or "none"
        raise UsageError(
            f"Incus has no network {wanted!r}, of managed bridges it has {there}",
            "`repoman setup --network NAME` names one; without, repoman makes its own",
        )
    return wanted


def rules_steps(
    name: str,
    rules: Mapping[str, Any],
    defaults: Defaults,
    projects: Sequence[Project],
    host_networks: Sequence[str],
) -> list[Step]:
    """The step that gives the bridge called `name` the rules of these projects; none where it
    has them."""
    wanted = acl(defaults, projects, host_networks)
    if same_rules(rules, wanted):
        return []
    what = f"set the rules of the network {name}"
    return [CallIncus(what, "PUT", f"/1.0/network-acls/{_quoted(name)}", wanted)]


def network_steps(grounds: Grounds, name: str) -> list[Step]:
    """The steps to a bridge called `name` with the rules that the registry wants."""
    steps: list[Step] = []
    wanted = acl(grounds.defaults, grounds.projects, grounds.host_networks)
    rules, bridge = grounds.acls.get(name), grounds.networks.get(name)
    if rules is None:
        what = f"create the rules of the network {name}: {_allows_what(grounds)}"
        steps.append(CallIncus(what, "POST", "/1.0/network-acls", {"name": name, **wanted}))
    else:
        steps += rules_steps(name, rules, grounds.defaults, grounds.projects, grounds.host_networks)
    if bridge is None:
        config = bridge_config(name, Bridge({"ipv6.address": "auto"}))
        body = {"name": name, "type": "bridge", "description": _DESCRIPTION, "config": config}
        what = f"create the network bridge {name}, which has these rules"
        steps.append(CallIncus(what, "POST", "/1.0/networks", body))
    elif faults := bridge_faults(name, bridge):
        kept = {key: value for key, value in bridge.config.items() if key not in UNDOING}
        config = kept | bridge_config(name, bridge)
        what = f"hold the network {name} to these rules: {'; '.join(faults)}"
        path = f"/1.0/networks/{_quoted(name)}"
        steps.append(CallIncus(what, "PUT", path, {"config": config}))
    return steps


def _allows_what(grounds: Grounds) -> str:
    defaults = grounds.defaults
    mode = {"internet": "the internet, neither host nor LAN", "open": "everything"}
    return ", ".join([mode.get(defaults.network, "nothing"), *defaults.allow])


def _network_findings(grounds: Grounds, name: str) -> list[Finding]:
    cure = "`repoman setup` mends it"
    rules, bridge = grounds.acls.get(name), grounds.networks.get(name)
    wanted = acl(grounds.defaults, grounds.projects, grounds.host_networks)
    faults = [] if bridge is None else bridge_faults(name, bridge)
    if bridge is None:
        faults.append("it does not exist")
    if rules is None:
        faults.append("it has no rules")
    elif not same_rules(rules, wanted):
        faults.append("its rules are not those that the registry wants")
    if not faults:
        return []
    return [Finding("incus", f"the network {name}: {'; '.join(faults)}", cure, kind="network")]


_FIREWALLS = {
    "Docker": (
        "drops what other bridges send",
        "`sudo iptables -I DOCKER-USER -i {bridge} -j ACCEPT`, and the same with -o",
    ),
    "ufw": (
        "drops what bridges ask the host for, and send",
        "`sudo ufw allow in on {bridge} to any port 67 proto udp`, the same for port 53, and "
        "`sudo ufw route allow in on {bridge}`",
    ),
    "firewalld": (
        "drops what bridges ask the host for, and send",
        "`sudo firewall-cmd --permanent --zone=trusted --change-interface={bridge}`, then --reload",
    ),
}
"""Firewalls of a host, with what they do to containers and what lets those through. The rules of
the bridge hold beside them: what either drops is dropped."""


def _firewall_notes(grounds: Grounds, bridge: str) -> list[Finding]:
    """What may keep containers from the internet; nobody but root can see whether it does."""
    found = []
    for name in grounds.firewalls:
        does, cure = _FIREWALLS[name]
        what = f"{name} is on this host, and {does}, unless it was told not to"
        note = f"if there is no internet inside: {cure.format(bridge=bridge)}"
        found.append(Finding("incus", what, note, problem=False))
    return found


def _chosen(kind: str, flag: str, named: Iterable[str], there: Sequence[str], usual: str) -> str:
    """The one that was named, or the usual or only one."""
    wanted = next(filter(None, named), "")
    if wanted and wanted not in there:
        raise UsageError(f"Incus has no {kind} {wanted!r}", f"it has {', '.join(there)}")
    if wanted or usual in there:
        return wanted or usual
    if len(there) > 1:
        raise UsageError(f"which {kind}? Incus has {', '.join(there)}", f"add {flag}")
    return there[0]


def _allow_ids(person: Person) -> AsRoot:
    uids = ("--add-subuids", f"{person.uid}-{person.uid}")
    gids = ("--add-subgids", f"{person.gid}-{person.gid}")
    return AsRoot(
        ("usermod", *uids, *gids, "root"), "so that Incus may let your own uid and gid through"
    )


def _paths(config: Mapping[str, str]) -> list[str]:
    return [path for path in config.get(_PATHS, "").split(",") if path]


def _wanted_folders(grounds: Grounds) -> list[str]:
    folders = [folder for folder in (grounds.local_repos, grounds.shared) if folder]
    for source in sorted(grounds.mounts):
        if not any(inside(source, folder) for folder in folders):
            folders.append(source)
    return folders


def opening_steps(project: str, config: Mapping[str, str], wanted: Declared) -> list[Step]:
    """The step that allows the Incus project the mounts of `wanted`; none where it does."""
    allowed = _paths(config)
    sources = [device["source"] for device in wanted.devices.values() if "source" in device]
    new = [s for s in sources if not any(inside(s, folder) for folder in allowed)]
    if not new:
        return []
    # With PATCH, Incus takes the features that are left out for changed.
    body = {"config": {**config, _PATHS: ",".join([*allowed, *new])}}
    what = f"allow the Incus project {project} {', '.join(new)} too"
    return [CallIncus(what, "PUT", f"/1.0/projects/{_quoted(project)}", body)]


def _still_used(grounds: Grounds) -> dict[str, list[str]]:
    """Folders that are to be allowed no more, with those that have to leave them first."""
    wanted = _wanted_folders(grounds)
    found = {}
    for folder in _paths(grounds.project or {}):
        if folder not in wanted:
            users = [n for source, n in grounds.used.items() if inside(source, folder)]
            names = sorted({name for group in users for name in group})
            if names:
                found[folder] = names
    return found


def _project(grounds: Grounds, network: str) -> dict[str, str]:
    folders = [*_wanted_folders(grounds), *_still_used(grounds)]
    config = {
        "features.images": "false",
        "features.networks": "false",
        "features.profiles": "true",
        "features.storage.buckets": "true",
        "features.storage.volumes": "true",
        "restricted": "true",
        "restricted.devices.disk": "allow",
        _PATHS: ",".join(folders),
        "restricted.devices.nic": "managed",
        "restricted.networks.access": network,
        "restricted.idmap.uid": str(grounds.person.uid),
        "restricted.idmap.gid": str(grounds.person.gid),
    }
    if grounds.defaults.nesting:
        config["restricted.containers.nesting"] = "allow"
    return config


def _default_profile(grounds: Grounds, pool: str, network: str) -> dict[str, Any]:
    defaults = grounds.defaults
    config = {
        "raw.idmap": idmap(grounds.person),
        "limits.cpu": str(defaults.cpus or max(1, grounds.processors - 1)),
        "limits.processes": str(defaults.processes),
    }
    if defaults.memory:
        config["limits.memory"] = defaults.memory
    if defaults.nesting:
        config["security.nesting"] = "true"
    found = grounds.pools.get(pool)
    root = {"type": "disk", "path": "/", "pool": pool}
    root |= found.disk(defaults.disk) if found else {}
    return {
        "description": _DESCRIPTION,
        "config": config,
        "devices": {"root": root} | ({} if defaults.network == "none" else {"eth0": nic(network)}),
    }


def _is_empty(profile: Mapping[str, Any] | None) -> bool:
    return not profile or not (profile.get("config") or profile.get("devices"))


def _mended(now: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    config = {k: v for k, v in now.get("config", {}).items() if not k.startswith(WEAKENING)}
    strange = _strange_nics(now, wanted)
    devices = {name: d for name, d in now.get("devices", {}).items() if name not in strange}
    devices |= wanted["devices"]
    return {**wanted, "config": config | wanted["config"], "devices": devices}


def _strange_nics(now: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[str]:
    """Network devices that would lead around the rules."""
    devices = now.get("devices") or {}
    return sorted(
        name
        for name, device in devices.items()
        if device.get("type") == "nic" and name not in wanted["devices"]
    )


def _is_extra(key: str, value: str, wanted: Mapping[str, str]) -> bool:
    return key.startswith("restricted.") and key not in wanted and value not in _HARMLESS


def _project_faults(grounds: Grounds, network: str) -> list[str]:
    now, wanted = grounds.project or {}, _project(grounds, network)
    faults = [
        f"{key} = {now.get(key, 'unset')}, it should be {value}"
        for key, value in wanted.items()
        if now.get(key, "unset") != value and not (key == "features.networks" and key not in now)
    ]
    return faults + [
        f"{key} = {value}" for key, value in sorted(now.items()) if _is_extra(key, value, wanted)
    ]


def _profile_faults(now: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[str]:
    config, devices = now.get("config", {}), now.get("devices", {})
    faults = [
        f"{key} = {config.get(key, 'unset')!r}, it should be {value!r}"
        for key, value in wanted["config"].items()
        if config.get(key) != value
    ]
    faults += [
        f"{key} = {value}"
        for key, value in sorted(config.items())
        if key.startswith(WEAKENING) and key not in wanted["config"]
    ]
    faults += [f"{name} is another network device" for name in _strange_nics(now, wanted)]
    return faults + [
        f"device {name} is not as it should be"
        for name, device in wanted["devices"].items()
        if devices.get(name) != device
    ]


def fence_findings(grounds: Grounds, project: str) -> list[Finding]:
    """Where the fence is missing, or weaker than it should be."""
    try:
        check_grounds(grounds)
        ignored: list[Step] = []
        pool, network = _parts(grounds, FenceWish(), ignored)
    except RepomanError as problem:
        return [Finding("incus", problem.what, problem.cure, kind="fence")]
    cure = "`repoman setup --repair` mends it"
    found = []
    if missing_ids(grounds):
        what = f"lines are missing: {', '.join(f'/etc/{line}' for line in missing_ids(grounds))}"
        found.append(Finding("incus", what, f"`repoman setup`, or {_allow_ids(grounds.person)}"))
    if grounds.project is None:
        what = f"the Incus project {project} does not exist"
        return [*found, Finding("incus", what, "`repoman setup` creates it", kind="fence")]
    faults = _project_faults(grounds, network)
    if faults:
        what = f"the Incus project {project} does not hold: {'; '.join(faults)}"
        found.append(Finding("incus", what, cure, kind="fence"))
    now = grounds.profiles.get(DEFAULT_PROFILE) or {}
    faults = _profile_faults(now, _default_profile(grounds, pool, network))
    if faults:
        what = f"the profile {DEFAULT_PROFILE} is not as it should be: {'; '.join(faults)}"
        found.append(Finding("incus", what, cure, kind="fence"))
    found += [*_network_findings(grounds, network), *_firewall_notes(grounds, network)]
    if pool in grounds.pools and grounds.pools[pool].free_mib < _LEAST_FREE_MIB:
        what = f"the storage pool {pool} has {grounds.pools[pool].free_mib} MiB free"
        found.append(Finding("incus", what, "make room in it, or enlarge it", kind="pool"))
    return [*found, *_share_findings(grounds, cure), *_old_folders(grounds)]


def _share_findings(grounds: Grounds, cure: str) -> list[Finding]:
    there = grounds.profiles.get(SHARE_PROFILE)
    if there is None and grounds.shared:
        what = f"the profile {SHARE_PROFILE} does not exist"
        return [Finding("incus", what, "`repoman setup` creates it", kind="fence")]
    if there is None or _shares(there, _share_profile(grounds)):
        return []
    what = f"the profile {SHARE_PROFILE} should share {grounds.shared or 'nothing'}"
    return [Finding("incus", what, cure, kind="fence")]


def _old_folders(grounds: Grounds) -> list[Finding]:
    found = []
    for folder, names in _still_used(grounds).items():
        what = f"{folder} stays allowed, it is still mounted by {', '.join(names)}"
        cure = "`repoman update` each container, then `repoman setup --repair`"
        found.append(Finding("incus", what, cure, kind="fence"))
    return found

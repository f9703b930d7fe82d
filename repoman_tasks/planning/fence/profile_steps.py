"""The profiles of the containers: `default`, with disk, network, ids and limits, and the one of
the shared folder. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from repoman_tasks.planning.container.spec import SHARE_PROFILE, WEAKENING
from repoman_tasks.planning.fence.bridge import nic
from repoman_tasks.planning.fence.idmap import idmap
from repoman_tasks.planning.fence.incus_facts import DESCRIPTION, FenceWish, Grounds
from repoman_tasks.planning.findings import Finding
from repoman_tasks.planning.steps import CallIncus, Step

__all__ = ["profile_findings", "profile_steps"]

_DEFAULT = "default"
_CURE = "`repoman setup --repair` mends it"


def profile_steps(
    grounds: Grounds, wish: FenceWish, pool: str, network: str, at: str
) -> list[Step]:
    """The steps to both profiles; `at` is the part of a path that names the Incus project."""
    steps: list[Step] = []
    wanted = _default_profile(grounds, pool, network)
    now = grounds.profiles.get(_DEFAULT)
    path = f"/1.0/profiles/{_DEFAULT}{at}"
    if _is_empty(now):
        what = "fill the profile default: root disk, network, idmap, limits"
        steps.append(CallIncus(what, "PUT", path, wanted))
    elif wish.repair and (wrong := _profile_faults(now or {}, wanted)):
        what = f"mend the profile default: {'; '.join(wrong)}"
        steps.append(CallIncus(what, "PUT", path, _mended(now or {}, wanted)))
    return [*steps, *_share_steps(grounds, wish, at)]


def profile_findings(grounds: Grounds, pool: str, network: str) -> list[Finding]:
    """Where the profiles are not as they should be."""
    found = []
    now = grounds.profiles.get(_DEFAULT) or {}
    faults = _profile_faults(now, _default_profile(grounds, pool, network))
    if faults:
        what = f"the profile {_DEFAULT} is not as it should be: {'; '.join(faults)}"
        found.append(Finding("incus", what, _CURE, kind="fence"))
    return found + _share_findings(grounds)


# --- default --------------------------------------------------------------------------------


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
        "description": DESCRIPTION,
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


# --- the shared folder ----------------------------------------------------------------------


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


def _share_findings(grounds: Grounds) -> list[Finding]:
    there = grounds.profiles.get(SHARE_PROFILE)
    if there is None and grounds.shared:
        what = f"the profile {SHARE_PROFILE} does not exist"
        return [Finding("incus", what, "`repoman setup` creates it", kind="fence")]
    if there is None or _shares(there, _share_profile(grounds)):
        return []
    what = f"the profile {SHARE_PROFILE} should share {grounds.shared or 'nothing'}"
    return [Finding("incus", what, _CURE, kind="fence")]

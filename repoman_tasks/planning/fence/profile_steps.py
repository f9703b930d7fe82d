"""The profiles of the containers: `default`, with disk, network, ids and limits, and the one of
the shared folder. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from repoman_tasks.planning.container.spec import SHARE_PROFILE, WEAKENING
from repoman_tasks.planning.fence.bridge import nic
from repoman_tasks.planning.fence.fence_facts import DESCRIPTION, FenceFacts, FenceOptions
from repoman_tasks.planning.fence.idmap import idmap
from repoman_tasks.planning.findings import Finding
from repoman_tasks.planning.steps import CallIncus, Step

__all__ = ["profile_findings", "profile_steps"]

_DEFAULT = "default"
_CURE = "`repoman setup --repair` mends it"


def profile_steps(
    facts: FenceFacts, options: FenceOptions, pool: str, network: str, at: str
) -> list[Step]:
    """The steps to both profiles; `at` is the part of a path that names the Incus project."""
    steps: list[Step] = []
    desired = _default_profile(facts, pool, network)
    now = facts.profiles.get(_DEFAULT)
    path = f"/1.0/profiles/{_DEFAULT}{at}"
    if _is_empty(now):
        what = "fill the profile default: root disk, network, idmap, limits"
        steps.append(CallIncus(what, "PUT", path, desired))
    elif options.repair and (wrong := _profile_faults(now or {}, desired)):
        what = f"mend the profile default: {'; '.join(wrong)}"
        steps.append(CallIncus(what, "PUT", path, _mended(now or {}, desired)))
    return [*steps, *_share_steps(facts, options, at)]


def profile_findings(facts: FenceFacts, pool: str, network: str) -> list[Finding]:
    """Where the profiles are not as they should be."""
    found = []
    now = facts.profiles.get(_DEFAULT) or {}
    faults = _profile_faults(now, _default_profile(facts, pool, network))
    if faults:
        what = f"the profile {_DEFAULT} is not as it should be: {'; '.join(faults)}"
        found.append(Finding("incus", what, _CURE, kind="fence"))
    return found + _share_findings(facts)


# --- default --------------------------------------------------------------------------------


def _default_profile(facts: FenceFacts, pool: str, network: str) -> dict[str, Any]:
    defaults = facts.defaults
    config = {
        "raw.idmap": idmap(facts.person),
        "limits.cpu": str(defaults.cpus or max(1, facts.processors - 1)),
        "limits.processes": str(defaults.processes),
    }
    if defaults.memory:
        config["limits.memory"] = defaults.memory
    if defaults.nesting:
        config["security.nesting"] = "true"
    found = facts.pools.get(pool)
    root = {"type": "disk", "path": "/", "pool": pool}
    root |= found.disk(defaults.disk) if found else {}
    return {
        "description": DESCRIPTION,
        "config": config,
        "devices": {"root": root} | ({} if defaults.network == "none" else {"eth0": nic(network)}),
    }


def _is_empty(profile: Mapping[str, Any] | None) -> bool:
    return not profile or not (profile.get("config") or profile.get("devices"))


def _mended(now: Mapping[str, Any], desired: Mapping[str, Any]) -> dict[str, Any]:
    config = {k: v for k, v in now.get("config", {}).items() if not k.startswith(WEAKENING)}
    strange = _strange_nics(now, desired)
    devices = {name: d for name, d in now.get("devices", {}).items() if name not in strange}
    devices |= desired["devices"]
    return {**desired, "config": config | desired["config"], "devices": devices}


def _strange_nics(now: Mapping[str, Any], desired: Mapping[str, Any]) -> list[str]:
    """Network devices that would lead around the rules."""
    devices = now.get("devices") or {}
    return sorted(
        name
        for name, device in devices.items()
        if device.get("type") == "nic" and name not in desired["devices"]
    )


def _profile_faults(now: Mapping[str, Any], desired: Mapping[str, Any]) -> list[str]:
    config, devices = now.get("config", {}), now.get("devices", {})
    faults = [
        f"{key} = {config.get(key, 'unset')!r}, it should be {value!r}"
        for key, value in desired["config"].items()
        if config.get(key) != value
    ]
    faults += [
        f"{key} = {value}"
        for key, value in sorted(config.items())
        if key.startswith(WEAKENING) and key not in desired["config"]
    ]
    faults += [f"{name} is another network device" for name in _strange_nics(now, desired)]
    return faults + [
        f"device {name} is not as it should be"
        for name, device in desired["devices"].items()
        if devices.get(name) != device
    ]


# --- the shared folder ----------------------------------------------------------------------


def _share_steps(facts: FenceFacts, options: FenceOptions, at: str) -> list[Step]:
    desired, there = _share_profile(facts), facts.profiles.get(SHARE_PROFILE)
    if there is None and facts.shared:
        what = f"create the profile {SHARE_PROFILE}, which shares {facts.shared}"
        body = {"name": SHARE_PROFILE, **desired}
        return [CallIncus(what, "POST", f"/1.0/profiles{at}", body)]
    if there is None or not options.repair or _shares(there, desired):
        return []
    what = f"have the profile {SHARE_PROFILE} share {facts.shared or 'nothing'}"
    return [CallIncus(what, "PUT", f"/1.0/profiles/{SHARE_PROFILE}{at}", desired)]


def _share_profile(facts: FenceFacts) -> dict[str, Any]:
    device = {"type": "disk", "source": facts.shared, "path": facts.shared_path}
    return {
        "config": {},
        "devices": {SHARE_PROFILE: device} if facts.shared else {},
        "description": "The folder that every container shares",
    }


def _shares(profile: Mapping[str, Any], desired: Mapping[str, Any]) -> bool:
    return all((profile.get(key) or {}) == desired[key] for key in ("config", "devices"))


def _share_findings(facts: FenceFacts) -> list[Finding]:
    there = facts.profiles.get(SHARE_PROFILE)
    if there is None and facts.shared:
        what = f"the profile {SHARE_PROFILE} does not exist"
        return [Finding("incus", what, "`repoman setup` creates it", kind="fence")]
    if there is None or _shares(there, _share_profile(facts)):
        return []
    what = f"the profile {SHARE_PROFILE} should share {facts.shared or 'nothing'}"
    return [Finding("incus", what, _CURE, kind="fence")]

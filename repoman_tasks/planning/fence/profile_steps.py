"""Steps and findings about the profiles of the containers. Pure.

`default` has disk, network, id map and limits; `login_profile` has the other one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from repoman_tasks.planning.container.spec import WEAKENING
from repoman_tasks.planning.fence.bridge import nic
from repoman_tasks.planning.fence.fence_facts import (
    DESCRIPTION,
    REPAIR_CURE,
    FenceFacts,
    FenceOptions,
)
from repoman_tasks.planning.fence.idmap import idmap
from repoman_tasks.planning.fence.login_profile import login_profile_findings, login_profile_steps
from repoman_tasks.planning.findings import Finding
from repoman_tasks.planning.steps import CallIncus, Step

__all__ = ["profile_findings", "profile_steps"]

_DEFAULT = "default"
_AT_START = ("security.", "raw.")
"""Prefixes of the settings that a container reads only at its start."""
_NO_KEYS = "\n".join(f"{call} errno 38" for call in ("add_key", "keyctl", "request_key"))
"""Keys of your uid are counted together inside and outside, and no cgroup bounds them. To programs
inside, it is a kernel without keys (ENOSYS), as in containers of Docker and Podman."""


def profile_steps(
    facts: FenceFacts, options: FenceOptions, pool: str, network: str, query: str
) -> list[Step]:
    """Return the steps that configure both profiles; `query` names the Incus project in a URL."""
    steps: list[Step] = []
    desired = _default_profile(facts, pool, network)
    actual = facts.profiles.get(_DEFAULT)
    path = f"/1.0/profiles/{_DEFAULT}{query}"
    if _is_empty(actual):
        what = "configure the profile default: root disk, network, id map, limits"
        steps.append(CallIncus(what, "PUT", path, desired))
    elif options.repair and (faults := _profile_faults(actual or {}, desired)):
        what = f"repair the profile default: {'; '.join(faults)}"
        if any(fault.startswith(_AT_START) for fault in faults):
            what += "; this takes effect at the next start of a container"
        steps.append(CallIncus(what, "PUT", path, _repaired(actual or {}, desired)))
    return [*steps, *login_profile_steps(facts, options, query)]


def profile_findings(facts: FenceFacts, pool: str, network: str) -> list[Finding]:
    """Return findings about settings of both profiles that differ from what they should be."""
    findings = []
    actual = facts.profiles.get(_DEFAULT) or {}
    faults = _profile_faults(actual, _default_profile(facts, pool, network))
    if faults:
        what = f"the profile {_DEFAULT} is not configured as required: {'; '.join(faults)}"
        findings.append(Finding("incus", what, REPAIR_CURE, kind="fence"))
    return findings + login_profile_findings(facts)


# --- default --------------------------------------------------------------------------------


def _default_profile(facts: FenceFacts, pool: str, network: str) -> dict[str, Any]:
    defaults = facts.defaults
    config = {
        "raw.idmap": idmap(facts.person),
        "limits.cpu": str(defaults.cpus or max(1, facts.processors - 1)),
        "limits.processes": str(defaults.processes),
        "security.syscalls.deny": _NO_KEYS,
    }
    if defaults.memory:
        config["limits.memory"] = defaults.memory
    if defaults.nesting:
        config["security.nesting"] = "true"
    root = {"type": "disk", "path": "/", "pool": pool}
    if pool in facts.pools:
        root |= facts.pools[pool].disk_config(defaults.disk)
    return {
        "description": DESCRIPTION,
        "config": config,
        "devices": {"root": root} | ({} if defaults.network == "none" else {"eth0": nic(network)}),
    }


def _is_empty(profile: Mapping[str, Any] | None) -> bool:
    return not profile or not (profile.get("config") or profile.get("devices"))


def _repaired(actual: Mapping[str, Any], desired: Mapping[str, Any]) -> dict[str, Any]:
    config = {k: v for k, v in actual.get("config", {}).items() if not k.startswith(WEAKENING)}
    removed = _unexpected_nics(actual, desired)
    devices = {name: d for name, d in actual.get("devices", {}).items() if name not in removed}
    devices |= desired["devices"]
    return {**desired, "config": config | desired["config"], "devices": devices}


def _unexpected_nics(actual: Mapping[str, Any], desired: Mapping[str, Any]) -> list[str]:
    """Return the names of network devices that would bypass the bridge's rules."""
    devices = actual.get("devices") or {}
    return sorted(
        name
        for name, device in devices.items()
        if device.get("type") == "nic" and name not in desired["devices"]
    )


def _profile_faults(actual: Mapping[str, Any], desired: Mapping[str, Any]) -> list[str]:
    config, devices = actual.get("config", {}), actual.get("devices", {})
    faults = [
        f"{key} = {config.get(key, 'unset')!r}, expected {value!r}"
        for key, value in desired["config"].items()
        if config.get(key) != value
    ]
    faults += [
        f"{key} = {value}"
        for key, value in sorted(config.items())
        if key.startswith(WEAKENING) and key not in desired["config"]
    ]
    faults += [f"unexpected network device {name}" for name in _unexpected_nics(actual, desired)]
    return faults + [
        f"device {name} differs"
        for name, device in desired["devices"].items()
        if devices.get(name) != device
    ]

"""Steps and findings about the containers' bridge and its ACL. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from repoman_tasks.planning.fence.acl import (
    NEVER_REACHED,
    acl,
    allow_of_bridge,
    common_rules,
    same_rules,
)
from repoman_tasks.planning.fence.bridge import (
    OVERRIDING_KEYS,
    Bridge,
    bridge_config,
    bridge_faults,
)
from repoman_tasks.planning.fence.fence_facts import DESCRIPTION, FenceFacts
from repoman_tasks.planning.findings import Finding
from repoman_tasks.planning.steps import CallIncus, Step

__all__ = ["acl_update_steps", "network_findings", "network_steps"]


def network_steps(facts: FenceFacts, name: str) -> list[Step]:
    """Return the steps that create or repair the bridge `name` and the ACL of that name."""
    actual = facts.acls.get(name)
    if actual is not None:
        return [*acl_update_steps(name, actual, _desired_acl(facts)), *_bridge_steps(facts, name)]
    what = f"create the network ACL {name}: allow {_allowed(facts)}"
    body = {"name": name, **_desired_acl(facts)}
    create = CallIncus(what, "POST", "/1.0/network-acls", body)
    return [create, *_bridge_steps(facts, name)]


def acl_update_steps(
    name: str, actual: Mapping[str, Any], desired: Mapping[str, Any]
) -> list[Step]:
    """Return the step that gives the ACL `name` the desired rules; none if it has them."""
    if same_rules(actual, desired):
        return []
    what = f"update the rules of the network ACL {name}"
    path, common = f"/1.0/network-acls/{quote(name, safe='')}", common_rules(desired, actual)
    take_back = None if same_rules(common, desired) else common
    return [CallIncus(what, "PUT", path, desired, take_back)]


def network_findings(facts: FenceFacts, name: str) -> list[Finding]:
    """Return findings if the bridge `name` does not, or can't, enforce the registry's rules."""
    found = _unreachable_findings(facts, name)
    faults = [*_bridge_faults(facts, name), *_acl_faults(facts, name)]
    if not faults:
        return found
    what = f"the network {name} does not enforce its rules: {'; '.join(faults)}"
    return [*found, Finding("incus", what, "run `repoman setup`", kind="network")]


def _unreachable_findings(facts: FenceFacts, name: str) -> list[Finding]:
    """Return a finding for each `allow` with an address of the containers' own network."""
    bridge = facts.networks.get(name, Bridge({})).config
    allows = [("incus", facts.defaults.allow), *((p.name, p.allow) for p in facts.projects)]
    cure = "remove it from the registry"
    return [
        Finding(subject, f"allow has {text}, but {NEVER_REACHED}", cure, kind="network")
        for subject, allow in allows
        if (text := allow_of_bridge(allow, bridge))
    ]


def _desired_acl(facts: FenceFacts) -> dict[str, Any]:
    return acl(facts.defaults, facts.projects, facts.host_networks)


def _allowed(facts: FenceFacts) -> str:
    defaults = facts.defaults
    mode = {"internet": "the internet, but not the host or the LAN", "open": "everything"}
    return ", ".join([mode.get(defaults.network, "nothing"), *defaults.allow])


def _bridge_steps(facts: FenceFacts, name: str) -> list[Step]:
    bridge = facts.networks.get(name)
    if bridge is None:
        config = bridge_config(name, Bridge({"ipv6.address": "auto"}))
        body = {"name": name, "type": "bridge", "description": DESCRIPTION, "config": config}
        return [CallIncus(f"create the bridge {name} with this ACL", "POST", "/1.0/networks", body)]
    faults = bridge_faults(name, bridge)
    if not faults:
        return []
    kept = {key: value for key, value in bridge.config.items() if key not in OVERRIDING_KEYS}
    body = {"config": kept | bridge_config(name, bridge)}
    what = f"repair the bridge {name}: {'; '.join(faults)}"
    return [CallIncus(what, "PUT", f"/1.0/networks/{quote(name, safe='')}", body)]


def _bridge_faults(facts: FenceFacts, name: str) -> list[str]:
    bridge = facts.networks.get(name)
    return ["the bridge does not exist"] if bridge is None else bridge_faults(name, bridge)


def _acl_faults(facts: FenceFacts, name: str) -> list[str]:
    actual = facts.acls.get(name)
    if actual is None:
        return ["the ACL does not exist"]
    same = same_rules(actual, _desired_acl(facts))
    return [] if same else ["the rules of the ACL differ from the registry"]

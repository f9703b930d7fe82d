"""The containers' bridge and its rules, the part of the fence that holds on the network. Pure.

`planning.network` says what a bridge is to be, `planning.rules` what its rules are.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from repoman_tasks.planning.fence.acl import acl, same_rules
from repoman_tasks.planning.fence.bridge import UNDOING, Bridge, bridge_config, bridge_faults
from repoman_tasks.planning.fence.fence_facts import DESCRIPTION, FenceFacts
from repoman_tasks.planning.findings import Finding
from repoman_tasks.planning.steps import CallIncus, Step

__all__ = ["network_findings", "network_steps", "rules_steps"]


def network_steps(facts: FenceFacts, name: str) -> list[Step]:
    """The steps to a bridge called `name` with the rules that the registry wants."""
    rules = facts.acls.get(name)
    if rules is not None:
        return [*rules_steps(name, rules, _desired(facts)), *_bridge_steps(facts, name)]
    what = f"create the rules of the network {name}: {_allows_what(facts)}"
    body = {"name": name, **_desired(facts)}
    create = CallIncus(what, "POST", "/1.0/network-acls", body)
    return [create, *_bridge_steps(facts, name)]


def rules_steps(name: str, now: Mapping[str, Any], desired: Mapping[str, Any]) -> list[Step]:
    """The step that gives the bridge called `name` the wanted rules; none where it has them."""
    if same_rules(now, desired):
        return []
    what = f"set the rules of the network {name}"
    return [CallIncus(what, "PUT", f"/1.0/network-acls/{quote(name, safe='')}", desired)]


def network_findings(facts: FenceFacts, name: str) -> list[Finding]:
    """How the bridge called `name` does not hold to the rules that the registry wants."""
    faults = [*_bridge_faults(facts, name), *_rules_faults(facts, name)]
    if not faults:
        return []
    what, cure = f"the network {name}: {'; '.join(faults)}", "`repoman setup` mends it"
    return [Finding("incus", what, cure, kind="network")]


def _desired(facts: FenceFacts) -> dict[str, Any]:
    return acl(facts.defaults, facts.projects, facts.host_networks)


def _allows_what(facts: FenceFacts) -> str:
    defaults = facts.defaults
    mode = {"internet": "the internet, neither host nor LAN", "open": "everything"}
    return ", ".join([mode.get(defaults.network, "nothing"), *defaults.allow])


def _bridge_steps(facts: FenceFacts, name: str) -> list[Step]:
    bridge = facts.networks.get(name)
    if bridge is None:
        config = bridge_config(name, Bridge({"ipv6.address": "auto"}))
        body = {"name": name, "type": "bridge", "description": DESCRIPTION, "config": config}
        what = f"create the network bridge {name}, which has these rules"
        return [CallIncus(what, "POST", "/1.0/networks", body)]
    faults = bridge_faults(name, bridge)
    if not faults:
        return []
    kept = {key: value for key, value in bridge.config.items() if key not in UNDOING}
    body = {"config": kept | bridge_config(name, bridge)}
    what = f"hold the network {name} to these rules: {'; '.join(faults)}"
    return [CallIncus(what, "PUT", f"/1.0/networks/{quote(name, safe='')}", body)]


def _bridge_faults(facts: FenceFacts, name: str) -> list[str]:
    bridge = facts.networks.get(name)
    return ["it does not exist"] if bridge is None else bridge_faults(name, bridge)


def _rules_faults(facts: FenceFacts, name: str) -> list[str]:
    rules = facts.acls.get(name)
    if rules is None:
        return ["it has no rules"]
    same = same_rules(rules, _desired(facts))
    return [] if same else ["its rules are not those that the registry wants"]

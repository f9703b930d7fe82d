"""Network ACL of the containers' bridge, and addresses on it. Pure.

Incus applies rules that reject before rules that allow, not in their order. So the ACL only
allows: the internet without the networks of this host. The bridge's default action rejects the
rest. DHCP and DNS of the bridge itself are allowed before any rule (Incus: reference on network
ACLs, bridge limitations).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Network,
    collapse_addresses,
    ip_interface,
    ip_network,
)
from typing import Any

from repoman_tasks.errors import Failed
from repoman_tasks.model import Defaults, Project
from repoman_tasks.planning.fence.bridge import has_rules

__all__ = [
    "NEVER_REACHED",
    "acl",
    "allow_fault",
    "allow_of_bridge",
    "choose_address",
    "common_rules",
    "internet_networks",
    "matching_address6",
    "same_rules",
]

_Network = IPv4Network | IPv6Network

_RESERVED = (
    *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16"),
    *("172.16.0.0/12", "192.0.0.0/24", "192.168.0.0/16", "198.18.0.0/15", "224.0.0.0/3"),
    *("2001::/32", "2002::/16"),
)
"""Special-purpose networks (IANA registries), and tunnels that could lead to them."""
NEVER_REACHED = "no container ever reaches another one"
"""Reason why a value of `allow` has no effect."""
_INTERNET = ("0.0.0.0/0", "2000::/3")


# --- networks -------------------------------------------------------------------------------


def internet_networks(host_networks: Iterable[str]) -> tuple[list[str], list[str]]:
    """Return the IPv4 and the IPv6 networks of the internet, without those of the host."""
    excluded = [*_RESERVED, *host_networks]
    families = [[str(network) for network in _subtract(whole, excluded)] for whole in _INTERNET]
    return families[0], families[1]


def _subtract(whole: str, excluded: Iterable[str]) -> list[_Network]:
    """Return the networks that cover `whole` without those `excluded` of its family."""
    rest: list[_Network] = [ip_network(whole)]
    networks = map(_network, excluded)
    same_family: Any = [network for network in networks if network.version == rest[0].version]
    for network in collapse_addresses(same_family):  # most routes lie in a private network
        rest = [part for one in rest for part in _without(one, network)]
    return sorted(collapse_addresses(rest))  # type: ignore[type-var]


def _without(network: Any, excluded: Any) -> list[_Network]:
    if network.subnet_of(excluded):
        return []
    return list(network.address_exclude(excluded)) if excluded.subnet_of(network) else [network]


def _network(text: str) -> _Network:
    return ip_network(text, strict=False)


# --- values of `allow` ----------------------------------------------------------------------


def _parse_allow(text: str) -> tuple[_Network, str]:
    """Return network and port of a value such as "192.168.1.20:5432" or "[fd00::1]:443".

    The port is empty if any is allowed. Raise ValueError for anything else, also for an IPv6
    address without brackets (its port would look like part of it) and for a network with host
    bits set (it is probably a single address).
    """
    host, port = _split_port(text)
    if port and not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        raise ValueError(text)
    return ip_network(host), port


def _split_port(text: str) -> tuple[str, str]:
    host, port = text, ""
    if text.startswith("["):
        host, _, port = text[1:].partition("]")
        if port and not port.startswith(":"):
            raise ValueError(text)
        port = port[1:]
    elif text.count(":") == 1:
        host, _, port = text.partition(":")
    elif ":" in text and "/" not in text:
        raise ValueError(text)
    if text.endswith(":") and not text.endswith("::"):
        raise ValueError(text)
    return host, port


def allow_fault(text: str) -> str:
    """Return why `text` is not a valid value of `allow`, or an empty string if it is."""
    try:
        _parse_allow(text)
    except ValueError:
        return (
            "must be ADDRESS, ADDRESS:PORT or NETWORK/LENGTH. "
            "Examples: 192.168.1.20:5432, [fd00::1]:443"
        )
    return ""


def allow_of_bridge(allow: Iterable[str], bridge: Mapping[str, str]) -> str:
    """Return the first of `allow` that lies in the network of the bridge; empty if none does.

    `bridge` is its configuration. Containers never reach each other, whatever the rules say. The
    bridge's own address is the host's.
    """
    own = [bridge.get(f"{family}.address", "none") for family in ("ipv4", "ipv6")]
    gateways = [ip_interface(text) for text in own if "/" in text]
    for text in allow:
        network, _ = _parse_allow(text)
        for gateway in gateways:
            alone = network.prefixlen == network.max_prefixlen
            if alone and network.network_address == gateway.ip:
                continue
            if network.version == gateway.version and _within(network, gateway.network):
                return text
    return ""


def _within(network: Any, other: Any) -> bool:
    return bool(network.subnet_of(other))


# --- rules ----------------------------------------------------------------------------------


def acl(
    defaults: Defaults, projects: Sequence[Project], host_networks: Iterable[str]
) -> dict[str, Any]:
    """Return the ACL of the bridge as a body for Incus's API.

    Projects without a container get no rules: their address may have been reused.
    """
    networks = tuple(host_networks)
    ruled = [one for one in projects if one.container and has_rules(one) and one.address]
    others = [one for one in ruled if one.network not in ("", defaults.network)]
    rules = _default_rules(defaults.network, networks, others)
    rules += _allow_rules(defaults.allow, [""])
    for project in others:
        for source in _addresses(project):
            rules += _mode_rules(project.network, networks, source)
    for project in ruled:
        rules += _allow_rules(project.allow, _addresses(project))
    return {
        "description": "Networks that repoman's containers may connect to",
        "config": {},
        "egress": [{**rule, "state": "enabled"} for rule in rules],
        "ingress": [],
    }


def _addresses(project: Project) -> list[str]:
    return [address for address in (project.address, project.address6) if address]


def _default_rules(
    mode: str, host_networks: Sequence[str], others: Sequence[Project]
) -> list[dict[str, str]]:
    """Return the rules of the estate's mode, which must not open anything to the `others`.

    While one of these has no known IPv6 address, no IPv6 address is opened: it could be any.
    """
    if mode != "open" or not others:
        return _mode_rules(mode, host_networks, "")
    wholes = ["0.0.0.0/0", *(["::/0"] if all(one.address6 for one in others) else [])]
    excluded = [address for one in others for address in _addresses(one)]
    sources = [_subtract(whole, excluded) for whole in wholes]
    return [{"action": "allow", "source": ",".join(map(str, family))} for family in sources]


def _mode_rules(mode: str, host_networks: Sequence[str], source: str) -> list[dict[str, str]]:
    """Return the rules of a mode for the address `source`, or for all containers if empty."""
    if mode == "open":
        return [{"action": "allow", **_source_key(source)}]
    if mode != "internet":
        return []
    families = [f for f in internet_networks(host_networks) if _same_family(source, f[0])]
    return [
        {"action": "allow", "destination": ",".join(family), **_source_key(source)}
        for family in families
    ]


def _allow_rules(allow: Iterable[str], sources: Iterable[str]) -> list[dict[str, str]]:
    rules = []
    for text, source in itertools.product(allow, sources):
        network, port = _parse_allow(text)
        if not _same_family(source, network):
            continue
        rule = {"action": "allow", "destination": str(network), **_source_key(source)}
        if port:
            both = [{"protocol": kind, "destination_port": port} for kind in ("tcp", "udp")]
            rules += [{**rule, **protocol} for protocol in both]
        else:
            rules.append(rule)
    return rules


def _source_key(source: str) -> dict[str, str]:
    return {"source": str(ip_network(source))} if source else {}


def _same_family(source: str, network: _Network | str) -> bool:
    """Return True if `source` and `network` are of one IP version; an empty source is of both."""
    return not source or ip_network(source).version == ip_network(network).version


def same_rules(actual: Mapping[str, Any], desired: Mapping[str, Any]) -> bool:
    """Return True if two ACLs have the same rules, in any order."""
    return all(_rules(actual, way) == _rules(desired, way) for way in ("egress", "ingress"))


def common_rules(desired: Mapping[str, Any], actual: Mapping[str, Any]) -> dict[str, Any]:
    """Return the ACL `desired` without the rules that `actual` does not have."""
    common = {
        way: [rule for rule in desired.get(way) or [] if _rule(rule) in _rules(actual, way)]
        for way in ("egress", "ingress")
    }
    return {**desired, **common}


def _rules(body: Mapping[str, Any], way: str) -> set[frozenset[tuple[str, str]]]:
    return {_rule(rule) for rule in body.get(way) or []}


def _rule(rule: Mapping[str, str]) -> frozenset[tuple[str, str]]:
    return frozenset((key, value) for key, value in rule.items() if value)


# --- addresses ------------------------------------------------------------------------------


def choose_address(bridge: Mapping[str, str], name: str, taken: Iterable[str]) -> str:
    """Return an IPv4 address of the bridge for the container `name` that is not in `taken`.

    `bridge` is its configuration. The same name gets the same address as long as that is free.
    Raise Failed if the bridge has no address left.
    """
    try:
        gateway = ip_interface(bridge.get("ipv4.address", ""))
    except ValueError:
        raise Failed(
            "the bridge assigns no IPv4 addresses",
            "choose another one with `repoman setup --network NAME`",
        ) from None
    hosts = gateway.network.num_addresses - 2
    used = {*taken, str(gateway.ip)}
    start = int.from_bytes(blake2b(name.encode(), digest_size=4).digest())
    for number in range(hosts):
        address = str(gateway.network[1 + (start + number) % hosts])
        if address not in used:
            return address
    raise Failed("all addresses of the bridge are in use", "give it a larger network")


def matching_address6(bridge: Mapping[str, str], ipv4: str) -> str:
    """Return the IPv6 address of the bridge that belongs to its address `ipv4`.

    Return an empty string if the bridge has no IPv6. Raise Failed if its IPv6 network is too
    small to contain every IPv4 address.
    """
    text = bridge.get("ipv6.address", "none")
    if text == "none":
        return ""
    network = IPv6Network(text, strict=False)
    if network.prefixlen > 96:
        raise Failed(f"the bridge's IPv6 network {network} is too small", "give it a /64")
    return str(network[int(IPv4Address(ipv4))])

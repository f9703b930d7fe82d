"""The rules of the containers' bridge, as an Incus network ACL. Pure.

Incus holds rules that reject above those that allow, whatever their order, so what is allowed is
named: all of the internet but the networks that this host is in. The rest is rejected. The
bridge itself gives addresses and names, which Incus allows before any rule (Incus: reference on
network ACLs, of bridges).
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

__all__ = ["acl", "address", "address6", "allow_fault", "public", "same_rules"]

_Network = IPv4Network | IPv6Network

_RESERVED = (
    *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16"),
    *("172.16.0.0/12", "192.0.0.0/24", "192.168.0.0/16", "198.18.0.0/15", "224.0.0.0/3"),
    *("2001::/32", "2002::/16"),
)
"""What is not the internet, or a way around through it (see the IANA registries of addresses)."""
_INTERNET = ("0.0.0.0/0", "2000::/3")


# --- what is allowed ------------------------------------------------------------------------


def public(host_networks: Iterable[str]) -> tuple[list[str], list[str]]:
    """The internet without the networks that the host is in, as IPv4 and IPv6 networks."""
    closed = [*_RESERVED, *host_networks]
    found = [[str(network) for network in _but(whole, closed)] for whole in _INTERNET]
    return found[0], found[1]


def _but(whole: str, closed: Iterable[str]) -> list[_Network]:
    """What `whole` has beside the `closed` networks, those of the other family aside."""
    left: list[_Network] = [ip_network(whole)]
    for network in map(_network, closed):
        if network.version == left[0].version:
            left = [part for one in left for part in _without(one, network)]
    return sorted(collapse_addresses(left))  # type: ignore[type-var]


def _without(network: Any, closed: Any) -> list[_Network]:
    if network.subnet_of(closed):
        return []
    return list(network.address_exclude(closed)) if closed.subnet_of(network) else [network]


def _network(text: str) -> _Network:
    return ip_network(text, strict=False)


def _allowed(text: str) -> tuple[_Network, str]:
    """Read "192.168.1.20:5432", "192.168.1.0/24", "[fd00::1]:443"; `ValueError` where it is none.

    Returns the network and the port, an empty string where it is any. One IPv6 address stands in
    brackets, or its port would be part of it; and an address with the length of a network, which
    is probably meant alone, is neither.
    """
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
    if port and not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        raise ValueError(text)
    return ip_network(host), port


def allow_fault(text: str) -> str:
    """Why `text` is nothing that `allow` can hold; empty where it is."""
    try:
        _allowed(text)
    except ValueError:
        return "write ADDRESS:PORT, ADDRESS or NETWORK/LENGTH, as 192.168.1.20:5432, [fd00::1]:443"
    return ""


# --- rules ----------------------------------------------------------------------------------


def acl(
    defaults: Defaults, projects: Sequence[Project], host_networks: Iterable[str]
) -> dict[str, Any]:
    """The ACL of the bridge, as Incus's API takes it.

    A project without a container has no rules: its address may be another one's by now.
    """
    networks = tuple(host_networks)
    ruled = [one for one in projects if one.container and has_rules(one) and one.address]
    others = [one for one in ruled if one.network not in ("", defaults.network)]
    rules = _usual(defaults.network, networks, others)
    rules += _exceptions(defaults.allow, [""])
    for project in others:
        for source in _addresses(project):
            rules += _mode(project.network, networks, source)
    for project in ruled:
        rules += _exceptions(project.allow, _addresses(project))
    return {
        "description": "Where the containers of repoman may connect to",
        "config": {},
        "egress": [{**rule, "state": "enabled"} for rule in rules],
        "ingress": [],
    }


def _addresses(project: Project) -> list[str]:
    return [address for address in (project.address, project.address6) if address]


def _usual(
    mode: str, host_networks: Sequence[str], others: Sequence[Project]
) -> list[dict[str, str]]:
    """The rules of the estate's mode; what it opens is not for the addresses of the `others`.

    While one of these has no IPv6 address noted it could have any, so IPv6 is opened to nobody.
    """
    if mode != "open" or not others:
        return _mode(mode, host_networks, "")
    wholes = ["0.0.0.0/0", *(["::/0"] if all(one.address6 for one in others) else [])]
    closed = [address for one in others for address in _addresses(one)]
    sources = [_but(whole, closed) for whole in wholes]
    return [{"action": "allow", "source": ",".join(map(str, family))} for family in sources]


def _mode(mode: str, host_networks: Sequence[str], source: str) -> list[dict[str, str]]:
    """The rules of a mode, for all containers or the one of the address `source`."""
    if mode == "open":
        return [{"action": "allow", **_by(source)}]
    if mode != "internet":
        return []
    families = [family for family in public(host_networks) if _goes_with(source, family[0])]
    return [{"action": "allow", "destination": ",".join(f), **_by(source)} for f in families]


def _exceptions(allow: Iterable[str], sources: Iterable[str]) -> list[dict[str, str]]:
    rules = []
    for text, source in itertools.product(allow, sources):
        network, port = _allowed(text)
        if not _goes_with(source, network):
            continue
        rule = {"action": "allow", "destination": str(network), **_by(source)}
        if port:
            both = [{"protocol": kind, "destination_port": port} for kind in ("tcp", "udp")]
            rules += [{**rule, **protocol} for protocol in both]
        else:
            rules.append(rule)
    return rules


def _by(source: str) -> dict[str, str]:
    """The part of a rule that holds it to the address `source`, or to none where that is empty."""
    return {"source": str(ip_network(source))} if source else {}


def _goes_with(source: str, network: _Network | str) -> bool:
    """Whether what `source` sends can go to `network`; an empty source is any."""
    return not source or ip_network(source).version == ip_network(network).version


def same_rules(now: Mapping[str, Any], desired: Mapping[str, Any]) -> bool:
    """Whether an ACL holds just the wanted rules, in whatever order."""
    return all(_rules(now, way) == _rules(desired, way) for way in ("egress", "ingress"))


def _rules(of: Mapping[str, Any], way: str) -> set[frozenset[tuple[str, str]]]:
    return {frozenset((k, v) for k, v in rule.items() if v) for rule in of.get(way) or []}


def address(bridge: Mapping[str, str], name: str, taken: Iterable[str]) -> str:
    """An address of the bridge for the container called `name`, the same one each time if it is
    free. `Failed` where the bridge has none."""
    try:
        own = ip_interface(bridge.get("ipv4.address", ""))
    except ValueError:
        raise Failed("the bridge gives no IPv4 addresses", "choose another one") from None
    hosts = own.network.num_addresses - 2
    used = {*taken, str(own.ip)}
    start = int.from_bytes(blake2b(name.encode(), digest_size=4).digest())
    for number in range(hosts):
        found = str(own.network[1 + (start + number) % hosts])
        if found not in used:
            return found
    raise Failed("all addresses of the bridge are taken", "give it a larger network")


def address6(bridge: Mapping[str, str], ipv4: str) -> str:
    """The IPv6 address of the bridge that goes with the address `ipv4` of it.

    Empty where the bridge has none. `Failed` where its network is smaller than all of IPv4.
    """
    text = bridge.get("ipv6.address", "none")
    if text == "none":
        return ""
    network = IPv6Network(text, strict=False)
    if network.prefixlen > 96:
        raise Failed(f"the bridge's IPv6 network {network} is too small", "give it a /64")
    return str(network[int(IPv4Address(ipv4))])

"""Networks that the host reaches by a route, which containers must not reach through it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Network, IPv6Network, collapse_addresses, ip_network
from typing import Any

from repoman_tasks.late_dataclass import dataclass

__all__ = ["Route", "parse_routes", "routed_networks"]

_Network = IPv4Network | IPv6Network

_INTERNET = {4: ip_network("0.0.0.0/0"), 6: ip_network("2000::/3")}
_LEADING = ("unicast", "local")
"""Types of routes to other hosts or to this one. The others (ip-route(8): blackhole, unreachable,
prohibit, throw, broadcast, anycast, multicast) lead to nobody that an address of a host does not
cover already."""


@dataclass(frozen=True)
class Route:
    """A route to `network`, which goes out by `way`: a device, or several."""

    network: _Network
    way: str


def parse_routes(routes: Any) -> list[Route]:
    """Parse the output of `ip -json route show table all`, without default routes.

    Raise ValueError, TypeError, KeyError or AttributeError if it is something else.
    """
    return [
        Route(ip_network(str(route["dst"])), _way(route))
        for route in routes
        if route["dst"] != "default" and route.get("type", "unicast") in _LEADING
    ]


def _way(route: Any) -> str:
    hops = route.get("nexthops") or [route]
    return " ".join(sorted(f"{hop.get('dev', '')}" for hop in hops))


def routed_networks(routes: Iterable[Route]) -> list[str]:
    """Return the networks of `routes` without those that are ways to the whole internet.

    A VPN may replace the default route by parts: 0.0.0.0/1 and 128.0.0.0/1, or all that is not
    private. So if the outermost networks of one way cover half of the internet or more, they are a
    default route. What lies within them has a route of its own, and is closed.
    """
    groups: dict[tuple[int, str], set[_Network]] = {}
    for route in routes:
        groups.setdefault((route.network.version, route.way), set()).add(route.network)
    closed: set[str] = set()
    for (version, _), networks in groups.items():
        outermost = _outermost(networks)
        default = _covers_half(outermost, _INTERNET[version])
        closed |= {str(n) for n in (networks - set(outermost) if default else networks)}
    return sorted(closed)


def _outermost(networks: Iterable[Any]) -> list[_Network]:
    """Return those of `networks` that lie in no other one, in linear time once sorted."""
    found: list[Any] = []
    for network in sorted(networks):  # by address, the larger first
        if not (found and network.subnet_of(found[-1])):
            found.append(network)
    return found


def _covers_half(networks: Sequence[Any], internet: Any) -> bool:
    parts = [
        network if network.subnet_of(internet) else internet
        for network in collapse_addresses(networks)
        if network.overlaps(internet)
    ]
    return bool(sum(part.num_addresses for part in parts) * 2 >= internet.num_addresses)

"""Networks that the host reaches by a route, a tunnel or a VPN."""

from __future__ import annotations

from typing import Any

import pytest

from repoman_tasks.planning.fence.acl import internet_networks
from repoman_tasks.planning.fence.routes import parse_routes, routed_networks


def to(destination: str, dev: str = "tun0", **more: Any) -> dict[str, Any]:
    return {"dst": destination, "dev": dev, "flags": [], **more}


DEFAULT = to("default", "eth0", gateway="192.168.1.1")
NOT_PRIVATE = (
    *("0.0.0.0/5", "8.0.0.0/7", "11.0.0.0/8", "12.0.0.0/6", "16.0.0.0/4", "32.0.0.0/3"),
    *("64.0.0.0/2", "128.0.0.0/3", "160.0.0.0/5", "168.0.0.0/6", "172.0.0.0/12", "172.32.0.0/11"),
    *("172.64.0.0/10", "172.128.0.0/9", "173.0.0.0/8", "174.0.0.0/7", "176.0.0.0/4"),
    *("192.0.0.0/9", "192.128.0.0/11", "192.160.0.0/13", "192.169.0.0/16", "192.170.0.0/15"),
    *("192.172.0.0/14", "192.176.0.0/12", "192.192.0.0/10", "193.0.0.0/8", "194.0.0.0/7"),
    *("196.0.0.0/6", "200.0.0.0/5", "208.0.0.0/4"),
)
"""Routes that WireGuard's users write for all but the LAN."""


@pytest.mark.parametrize(
    ("routes", "closed"),
    [
        pytest.param([DEFAULT], [], id="a default route"),
        pytest.param([to("0.0.0.0/0")], [], id="a default route by its network"),
        pytest.param([to("default", "eth0", gateway="fe80::1")], [], id="one of IPv6"),
        pytest.param([DEFAULT, to("198.51.100.0/24")], ["198.51.100.0/24"], id="a VPN"),
        pytest.param(
            [DEFAULT, to("198.51.100.0/24", "eth0", gateway="192.168.1.2")],
            ["198.51.100.0/24"],
            id="another router in the LAN",
        ),
        pytest.param([to("203.0.113.7", "eth0")], ["203.0.113.7/32"], id="one host"),
        pytest.param([to("0.0.0.0/1"), to("128.0.0.0/1")], [], id="two halves"),
        pytest.param([to("0.0.0.0/1", "tun0"), to("128.0.0.0/1", "tun1")], [], id="by two ways"),
        pytest.param(
            [to("0.0.0.0/1"), to("128.0.0.0/1"), to("198.51.100.0/24")],
            ["198.51.100.0/24"],
            id="two halves, and a network",
        ),
        pytest.param([to(f"{n}.0.0.0/2") for n in (0, 64, 128, 192)], [], id="four quarters"),
        pytest.param([to(network) for network in NOT_PRIVATE], [], id="all that is not private"),
        pytest.param([to("11.0.0.0/8")], ["11.0.0.0/8"], id="a large network"),
        pytest.param([to("::/1"), to("8000::/1")], [], id="two halves of IPv6"),
        pytest.param([to("2000::/3", "sit1")], [], id="the internet of IPv6 by a tunnel"),
        pytest.param([to("2a01:4f8:9::/48")], ["2a01:4f8:9::/48"], id="a VPN by IPv6"),
        pytest.param([to("198.51.100.0/24", type="blackhole")], [], id="a blackhole"),
        pytest.param([to("198.51.100.0/24", type="unreachable")], [], id="unreachable"),
        pytest.param([to("0.0.0.0/1", type="prohibit")], [], id="prohibited"),
        pytest.param([to("ff00::/8", type="multicast")], [], id="multicast"),
        pytest.param(
            [to("198.51.100.0/24", "lo", type="local")], ["198.51.100.0/24"], id="the host itself"
        ),
        pytest.param(
            [{"dst": "default", "nexthops": [{"dev": "a"}, {"dev": "b"}]}], [], id="two uplinks"
        ),
        pytest.param(
            [{"dst": "198.51.100.0/24", "nexthops": [{"dev": "a"}]}],
            ["198.51.100.0/24"],
            id="several hops",
        ),
    ],
)
def test_a_network_with_a_route_is_closed(routes: list[Any], closed: list[str]) -> None:
    assert routed_networks(parse_routes(routes)) == closed


def test_routes_to_containers_and_private_networks_change_no_rule() -> None:
    """So no rule changes when Docker makes a network, or a VPN has only private ones."""
    routes = [to("10.83.57.0/24", "repoman0"), to("172.17.0.0/16", "docker0"), to("fd00::/8")]
    assert internet_networks(routed_networks(parse_routes(routes))) == internet_networks(())


@pytest.mark.parametrize(
    "output",
    [{"a": 1}, [1], [{}], [{"dst": 7}], [{"dst": "x"}], [{"dst": "10.0.0.0/8", "nexthops": [1]}]],
)
def test_anything_else_is_no_list_of_routes(output: Any) -> None:
    with pytest.raises((ValueError, TypeError, KeyError, AttributeError)):
        parse_routes(output)

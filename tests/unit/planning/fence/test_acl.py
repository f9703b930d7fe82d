"""What the containers' network lets through."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address, ip_network

import pytest

from repoman_tasks.errors import Failed
from repoman_tasks.model import Defaults, Project
from repoman_tasks.planning.fence.acl import acl, address, address6, allow_fault, public, same_rules
from repoman_tasks.planning.fence.bridge import Bridge, bridge_config, bridge_faults

HOST = ("192.168.1.7/24", "2a01:4f8:1::7/64", "203.0.113.9/28")
DEFAULTS = Defaults()


def allows(text: str) -> bool:
    networks = [ip_network(n) for family in public(HOST) for n in family]
    return any(ip_address(text) in network for network in networks)


@pytest.mark.parametrize(
    "text",
    [
        *("1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.1", "100.63.255.255", "100.128.0.1"),
        *("172.15.255.255", "172.32.0.1", "192.167.255.255", "192.169.0.1", "223.255.255.255"),
        *("203.0.113.17", "2606:4700::1111", "2a01:4f8:2::1", "2003::1", "3fff:ffff::1"),
    ],
)
def test_the_internet(text: str) -> None:
    assert allows(text)


@pytest.mark.parametrize(
    "text",
    [
        *("0.0.0.0", "10.0.0.1", "10.255.255.255", "100.64.0.1", "100.127.255.255", "127.0.0.1"),
        *("169.254.169.254", "172.16.0.1", "172.31.255.255", "192.168.0.1", "192.168.1.20"),
        *("198.18.0.1", "224.0.0.1", "239.255.255.250", "255.255.255.255", "203.0.113.1"),
        *("::", "::1", "::ffff:192.168.1.20", "64:ff9b::c0a8:114", "fc00::1", "fd42::1", "fe80::1"),
        *("ff02::1", "2a01:4f8:1::1", "2002:c0a8:114::1", "2001:0:c0a8:114::1"),
    ],
)
def test_what_is_not(text: str) -> None:
    assert not allows(text)


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ("192.168.1.20:5432", True),
        ("192.168.1.20", True),
        ("192.168.1.0/24", True),
        ("192.168.1.0/24:443", True),
        ("fd00::1", False),
        ("fd00::1:443", False),
        ("[fd00::1]", True),
        ("fd00::/8", True),
        ("192.168.1.20/24:5432", False),
        ("192.168.1.20/0", False),
        ("[fd00::1]:443", True),
        ("nas:443", False),
        ("192.168.1.20:0", False),
        ("192.168.1.20:65536", False),
        ("192.168.1.20:x", False),
        ("192.168.1.20:", False),
        ("fd00::", False),
        ("192.168.1.300", False),
        ("[fd00::1]443", False),
        ("1.1.1.1,2.2.2.2", False),
        ("1.1.1.1 -j ACCEPT", False),
        ("", False),
    ],
)
def test_what_can_be_allowed(text: str, good: bool) -> None:
    assert (allow_fault(text) == "") is good


def test_the_modes_of_an_estate() -> None:
    internet = acl(DEFAULTS, [], HOST)["egress"]
    assert [rule["action"] for rule in internet] == ["allow", "allow"]
    assert acl(replace(DEFAULTS, network="open"), [], HOST)["egress"] == [
        {"action": "allow", "state": "enabled"}
    ]
    assert acl(replace(DEFAULTS, network="none"), [], HOST)["egress"] == []


def test_exceptions_of_the_estate_and_of_a_project() -> None:
    defaults = replace(DEFAULTS, allow=("192.168.1.20:5432",))
    project = Project("isurus", allow=("192.168.1.0/24",), address="10.1.1.9")
    rules = acl(defaults, [project], HOST)["egress"][2:]
    assert rules == [
        {
            "action": "allow",
            "destination": "192.168.1.20/32",
            "protocol": protocol,
            "destination_port": "5432",
            "state": "enabled",
        }
        for protocol in ("tcp", "udp")
    ] + [
        {
            "action": "allow",
            "destination": "192.168.1.0/24",
            "source": "10.1.1.9/32",
            "state": "enabled",
        }
    ]


def test_a_project_of_another_mode() -> None:
    open_one = Project("isurus", network="open", address="10.1.1.9")
    assert {"action": "allow", "source": "10.1.1.9/32", "state": "enabled"} in (
        acl(DEFAULTS, [open_one], HOST)["egress"]
    )
    for without in (replace(open_one, address=""), replace(open_one, container=False)):
        assert acl(DEFAULTS, [without], HOST) == acl(DEFAULTS, [], HOST)


BOTH = Project("isurus", address="10.1.1.9", address6="fd42::a01:109")


def sources(rules: list[dict[str, str]]) -> list[str]:
    return [rule["source"] for rule in rules if "source" in rule]


@pytest.mark.parametrize(
    ("allow", "expected"),
    [
        ("192.168.1.0/24", ["10.1.1.9/32"]),
        ("[fd00::1]", ["fd42::a01:109/128"]),
        ("[fd00::1]:443", ["fd42::a01:109/128"] * 2),
    ],
)
def test_an_exception_goes_by_the_address_of_its_family(allow: str, expected: list[str]) -> None:
    rules = acl(DEFAULTS, [replace(BOTH, allow=(allow,))], HOST)["egress"]
    assert sources(rules) == expected
    only4 = replace(BOTH, allow=(allow,), address6="")
    assert all("." in source for source in sources(acl(DEFAULTS, [only4], HOST)["egress"]))


def test_a_mode_holds_for_both_families() -> None:
    both = ["10.1.1.9/32", "fd42::a01:109/128"]
    opened = acl(DEFAULTS, [replace(BOTH, network="open")], HOST)["egress"]
    assert sources(opened) == both


def test_one_that_is_closed_in_an_open_estate() -> None:
    """What opens the rest leaves it out, so that its exceptions still count: Incus holds rules
    that reject above all others."""
    closed = replace(BOTH, network="internet", allow=("192.168.1.20",))
    rules = acl(replace(DEFAULTS, network="open"), [closed], HOST)["egress"]
    assert {rule["action"] for rule in rules} == {"allow"}
    rest = [ip_network(text) for rule in rules[:2] for text in rule["source"].split(",")]
    for own, other in (("10.1.1.9", "10.1.1.10"), ("fd42::a01:109", "fd42::a01:10a")):
        assert not any(ip_address(own) in network for network in rest)
        assert any(ip_address(other) in network for network in rest)
    assert sources(rules[2:]) == ["10.1.1.9/32", "fd42::a01:109/128", "10.1.1.9/32"]
    assert rules[-1]["destination"] == "192.168.1.20/32"
    assert "192.168" not in "".join(rule["destination"] for rule in rules[2:4])
    unknown = acl(replace(DEFAULTS, network="open"), [replace(closed, address6="")], HOST)["egress"]
    opened = [rule["source"] for rule in unknown if "destination" not in rule]
    assert len(opened) == 1
    assert ":" not in opened[0], "its IPv6 address is not known, so IPv6 is open to nobody"


def test_the_ipv6_address_that_goes_with_one_of_ipv4() -> None:
    assert address6({"ipv6.address": "fd42:1::1/64"}, "10.1.1.9") == "fd42:1::a01:109"
    assert address6({"ipv6.address": "none"}, "10.1.1.9") == ""
    assert address6({}, "10.1.1.9") == ""
    with pytest.raises(Failed, match="too small"):
        address6({"ipv6.address": "fd42::1/112"}, "10.1.1.9")


def test_rules_are_the_same_in_any_order_and_with_empty_values() -> None:
    desired = acl(DEFAULTS, [], HOST)
    said = {
        "egress": [{**rule, "source": "", "description": ""} for rule in desired["egress"][::-1]],
        "ingress": [],
    }
    assert same_rules(said, desired)
    more = {**said, "egress": [*said["egress"], {"action": "allow", "state": "enabled"}]}
    assert not same_rules(more, desired)
    assert not same_rules({**said, "ingress": [{"action": "allow"}]}, desired)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("security.acls", "mine,other"),
        ("security.acls", ""),
        ("security.acls.default.egress.action", "allow"),
        ("security.acls.default.ingress.action", "drop"),
        ("ipv4.firewall", "false"),
        ("ipv6.firewall", "false"),
        ("ipv6.dhcp.stateful", "false"),
        ("raw.dnsmasq", "x"),
    ],
)
def test_what_undoes_the_rules(key: str, value: str) -> None:
    bare = Bridge({"ipv6.address": "fd42::1/64"})
    held = Bridge({**bare.config, **bridge_config("mine", bare)})
    assert bridge_faults("mine", held) == []
    assert bridge_faults("mine", Bridge({**held.config, key: value}))


def test_an_address_stays_the_same_and_is_never_anothers() -> None:
    bridge = {"ipv4.address": "10.1.1.1/29"}
    first = address(bridge, "isurus", [])
    assert address(bridge, "isurus", []) == first
    taken: list[str] = []
    for number in range(5):
        taken.append(address(bridge, f"p{number}", taken))
    assert sorted(taken) == [f"10.1.1.{n}" for n in (2, 3, 4, 5, 6)]
    with pytest.raises(Failed, match="all addresses"):
        address(bridge, "one more", taken)
    with pytest.raises(Failed, match="no IPv4"):
        address({"ipv4.address": "none"}, "isurus", [])

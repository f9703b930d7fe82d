"""Rules of the containers' network ACL, and addresses on the bridge."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address, ip_network

import pytest

from repoman_tasks.errors import Failed
from repoman_tasks.model import Defaults, Project
from repoman_tasks.planning.fence.acl import (
    acl,
    allow_fault,
    allow_of_bridge,
    choose_address,
    common_rules,
    internet_networks,
    matching_address6,
    same_rules,
)
from repoman_tasks.planning.fence.bridge import Bridge, bridge_config, bridge_faults

HOST = ("192.168.1.7/24", "2a01:4f8:1::7/64", "203.0.113.9/28")
DEFAULTS = Defaults()


def is_public(text: str) -> bool:
    networks = [ip_network(n) for family in internet_networks(HOST) for n in family]
    return any(ip_address(text) in network for network in networks)


@pytest.mark.parametrize(
    "text",
    [
        *("1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.1", "100.63.255.255", "100.128.0.1"),
        *("172.15.255.255", "172.32.0.1", "192.167.255.255", "192.169.0.1", "223.255.255.255"),
        *("203.0.113.17", "2606:4700::1111", "2a01:4f8:2::1", "2003::1", "3fff:ffff::1"),
    ],
)
def test_public_addresses_are_allowed(text: str) -> None:
    assert is_public(text)


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
def test_private_and_host_addresses_are_not_allowed(text: str) -> None:
    assert not is_public(text)


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
def test_valid_and_invalid_values_of_allow(text: str, good: bool) -> None:
    assert (allow_fault(text) == "") is good


def test_rules_of_each_default_mode() -> None:
    internet = acl(DEFAULTS, [], HOST)["egress"]
    assert [rule["action"] for rule in internet] == ["allow", "allow"]
    assert acl(replace(DEFAULTS, network="open"), [], HOST)["egress"] == [
        {"action": "allow", "state": "enabled"}
    ]
    assert acl(replace(DEFAULTS, network="none"), [], HOST)["egress"] == []


def test_allow_of_the_defaults_and_of_a_project() -> None:
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


def test_a_project_with_another_mode() -> None:
    opened = Project("isurus", network="open", address="10.1.1.9")
    assert {"action": "allow", "source": "10.1.1.9/32", "state": "enabled"} in (
        acl(DEFAULTS, [opened], HOST)["egress"]
    )
    for unruled in (replace(opened, address=""), replace(opened, container=False)):
        assert acl(DEFAULTS, [unruled], HOST) == acl(DEFAULTS, [], HOST)


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
def test_allow_uses_the_source_address_of_the_same_family(allow: str, expected: list[str]) -> None:
    rules = acl(DEFAULTS, [replace(BOTH, allow=(allow,))], HOST)["egress"]
    assert sources(rules) == expected
    only4 = replace(BOTH, allow=(allow,), address6="")
    assert all("." in source for source in sources(acl(DEFAULTS, [only4], HOST)["egress"]))


def test_a_mode_covers_both_address_families() -> None:
    both = ["10.1.1.9/32", "fd42::a01:109/128"]
    opened = acl(DEFAULTS, [replace(BOTH, network="open")], HOST)["egress"]
    assert sources(opened) == both


def test_a_restricted_project_among_open_ones() -> None:
    """The open rule excludes its addresses: a reject rule would override its `allow`."""
    closed = replace(BOTH, network="internet", allow=("192.168.1.20",))
    rules = acl(replace(DEFAULTS, network="open"), [closed], HOST)["egress"]
    assert {rule["action"] for rule in rules} == {"allow"}
    rest = [ip_network(text) for rule in rules[:2] for text in rule["source"].split(",")]
    for excluded, other in (("10.1.1.9", "10.1.1.10"), ("fd42::a01:109", "fd42::a01:10a")):
        assert not any(ip_address(excluded) in network for network in rest)
        assert any(ip_address(other) in network for network in rest)
    assert sources(rules[2:]) == ["10.1.1.9/32", "fd42::a01:109/128", "10.1.1.9/32"]
    assert rules[-1]["destination"] == "192.168.1.20/32"
    assert "192.168" not in "".join(rule["destination"] for rule in rules[2:4])
    unknown = acl(replace(DEFAULTS, network="open"), [replace(closed, address6="")], HOST)["egress"]
    opened = [rule["source"] for rule in unknown if "destination" not in rule]
    assert len(opened) == 1
    assert ":" not in opened[0], "its IPv6 address is not known, so IPv6 is open to nobody"


def test_the_ipv6_address_that_matches_an_ipv4_address() -> None:
    assert matching_address6({"ipv6.address": "fd42:1::1/64"}, "10.1.1.9") == "fd42:1::a01:109"
    assert matching_address6({"ipv6.address": "none"}, "10.1.1.9") == ""
    assert matching_address6({}, "10.1.1.9") == ""
    with pytest.raises(Failed, match="too small"):
        matching_address6({"ipv6.address": "fd42::1/112"}, "10.1.1.9")


def test_order_and_empty_values_of_rules_do_not_matter() -> None:
    desired = acl(DEFAULTS, [], HOST)
    actual = {
        "egress": [{**rule, "source": "", "description": ""} for rule in desired["egress"][::-1]],
        "ingress": [],
    }
    assert same_rules(actual, desired)
    more = {**actual, "egress": [*actual["egress"], {"action": "allow", "state": "enabled"}]}
    assert not same_rules(more, desired)
    assert not same_rules({**actual, "ingress": [{"action": "allow"}]}, desired)


@pytest.mark.parametrize(
    ("text", "of_bridge"),
    [
        ("10.83.57.5", True),
        ("10.83.57.5:80", True),
        ("10.83.57.0/24", True),
        ("10.83.57.1:80", False),
        ("10.0.0.0/8", False),
        ("10.83.58.5", False),
        ("[fd42::5]:80", True),
        ("[fd42::1]:80", False),
        ("[fd43::5]:80", False),
    ],
)
def test_addresses_of_other_containers_in_allow(text: str, of_bridge: bool) -> None:
    bridge = {"ipv4.address": "10.83.57.1/24", "ipv6.address": "fd42::1/64"}
    assert allow_of_bridge(["192.168.1.20", text], bridge) == (text if of_bridge else "")
    assert allow_of_bridge([text], {"ipv4.address": "none"}) == ""


def test_common_rules_allow_nothing_that_either_acl_does_not_allow() -> None:
    wide = acl(replace(DEFAULTS, allow=("192.168.1.20", "192.168.1.21")), [], HOST)
    other = acl(replace(DEFAULTS, allow=("192.168.1.20", "192.168.1.22")), [], HOST)
    assert same_rules(
        common_rules(wide, other), acl(replace(DEFAULTS, allow=("192.168.1.20",)), [], HOST)
    )
    assert common_rules(wide, {})["egress"] == []
    assert same_rules(common_rules(wide, wide), wide)


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
def test_settings_that_override_the_acl(key: str, value: str) -> None:
    plain = Bridge({"ipv6.address": "fd42::1/64"})
    configured = Bridge({**plain.config, **bridge_config("mine", plain)})
    assert bridge_faults("mine", configured) == []
    assert bridge_faults("mine", Bridge({**configured.config, key: value}))


def test_an_address_is_stable_and_unique() -> None:
    bridge = {"ipv4.address": "10.1.1.1/29"}
    first = choose_address(bridge, "isurus", [])
    assert choose_address(bridge, "isurus", []) == first
    taken: list[str] = []
    for number in range(5):
        taken.append(choose_address(bridge, f"p{number}", taken))
    assert sorted(taken) == [f"10.1.1.{n}" for n in (2, 3, 4, 5, 6)]
    with pytest.raises(Failed, match="all addresses"):
        choose_address(bridge, "one more", taken)
    with pytest.raises(Failed, match="no IPv4"):
        choose_address({"ipv4.address": "none"}, "isurus", [])

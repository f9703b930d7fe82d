"""Findings from what the reachability probe saw."""

from __future__ import annotations

import pytest

from repoman_tasks.planning.fence.bridge import Bridge
from repoman_tasks.planning.fence.reachability import (
    Reachability,
    none_reach_router,
    parse_reachability,
    reachability_findings,
)

UNBLOCKED = Reachability("lamna", True, True, True)
BLOCKED = Reachability("isurus", True, True, False)
NO_DNS = Reachability("isurus", True, False, True)
NO_ADDRESS = Reachability("isurus", False)
UNKNOWN = Reachability("isurus", True)
ALL = ("Docker", "ufw", "firewalld")


@pytest.mark.parametrize(
    ("line", "reach"),
    [
        ("yes yes yes", UNBLOCKED),
        ("yes yes no", Reachability("lamna", True, True, False)),
        ("no unknown unknown", Reachability("lamna", False)),
        ("yes unknown no", Reachability("lamna", True, None, False)),
        *((line, Reachability("lamna")) for line in ("", "yes", "yes yes yes yes", "YES yes yes")),
        *(
            (line, Reachability("lamna"))
            for line in ("unknown yes yes", "yes yes yes\n\x1b[2J", "12")
        ),
    ],
)
def test_output_of_a_container_is_parsed_strictly(line: str, reach: Reachability) -> None:
    assert parse_reachability("lamna", line) == reach


@pytest.mark.parametrize(
    ("probed", "silent"),
    [
        ([], False),
        ([UNBLOCKED], False),
        ([UNKNOWN, NO_ADDRESS], False),
        ([BLOCKED, UNKNOWN], True),
        ([BLOCKED, UNBLOCKED], False),
    ],
)
def test_none_reach_router(probed: list[Reachability], silent: bool) -> None:
    assert none_reach_router(probed) is silent


@pytest.mark.parametrize(
    ("firewalls", "probed", "answers", "problems"),
    [
        pytest.param((), [], False, [], id="nothing runs"),
        pytest.param((), [UNBLOCKED], False, [], id="unblocked"),
        pytest.param((), [BLOCKED], False, [], id="a router that answers nobody"),
        pytest.param((), [BLOCKED, UNBLOCKED], True, [], id="one reaches it"),
        pytest.param((), [UNKNOWN], True, [], id="no tool to probe with"),
        pytest.param((), [NO_ADDRESS], False, [], id="no address yet"),
        pytest.param(("Docker",), [NO_ADDRESS], False, [], id="Docker does not explain it"),
        pytest.param(("ufw",), [NO_ADDRESS], False, ["no address"], id="ufw explains it"),
        pytest.param((), [BLOCKED], True, ["drops packets from isurus"], id="dropped"),
        pytest.param((), [NO_DNS], False, ["does not answer"], id="no DNS"),
        pytest.param((), [NO_DNS, UNBLOCKED], False, [], id="DNS for another"),
    ],
)
def test_problems_found(
    firewalls: tuple[str, ...], probed: list[Reachability], answers: bool, problems: list[str]
) -> None:
    found = [f for f in reachability_findings("br0", firewalls, probed, answers) if f.problem]
    assert len(found) == len(problems)
    for finding, message in zip(found, problems, strict=True):
        assert message in finding.what
        assert "br0" in finding.cure
        assert finding.kind == "reach"


@pytest.mark.parametrize(
    ("firewalls", "cures"),
    [
        ((), ["nft list ruleset"]),
        (("Docker",), ["DOCKER-USER -i br0"]),
        (("ufw",), ["ufw route allow in on br0"]),
        (("Docker", "firewalld"), ["DOCKER-USER -i br0", "--change-interface=br0"]),
    ],
)
def test_the_cure_names_the_firewalls_of_the_host(
    firewalls: tuple[str, ...], cures: list[str]
) -> None:
    (found,) = reachability_findings("br0", firewalls, [BLOCKED], router_answers=True)
    assert all(cure in found.cure for cure in cures)
    assert ("nft" in found.cure) is (not firewalls)


@pytest.mark.parametrize(
    ("probed", "notes"),
    [([], 3), ([UNKNOWN], 3), ([BLOCKED], 3), ([UNBLOCKED], 0), ([UNKNOWN, UNBLOCKED], 0)],
)
def test_firewalls_are_noted_unless_a_container_is_unblocked(
    probed: list[Reachability], notes: int
) -> None:
    found = reachability_findings("br0", ALL, probed, router_answers=False)
    assert [f.what.split()[0] for f in found] == list(ALL[:notes])
    assert not any(f.problem for f in found)
    assert all("br0" in f.cure for f in found)


@pytest.mark.parametrize(
    ("config", "gateway", "name"),
    [
        ({"ipv4.address": "10.1.1.1/24"}, "10.1.1.1", "_gateway.incus"),
        ({"ipv4.address": "none", "dns.domain": "home"}, "", "_gateway.home"),
        ({}, "", "_gateway.incus"),
    ],
)
def test_gateway_and_its_name(config: dict[str, str], gateway: str, name: str) -> None:
    assert (Bridge(config).gateway, Bridge(config).gateway_name) == (gateway, name)

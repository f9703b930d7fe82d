"""What containers reach, told from what was seen."""

from __future__ import annotations

import pytest

from repoman_tasks.planning.fence.bridge import Bridge
from repoman_tasks.planning.fence.reachability import Reach, is_silent, reach_findings, read_reach

WELL = Reach("lamna", True, True, True)
SILENT = Reach("isurus", True, True, False)
NAMELESS = Reach("isurus", True, False, True)
UNADDRESSED = Reach("isurus", False)
UNKNOWN = Reach("isurus", True)
ALL = ("Docker", "ufw", "firewalld")


@pytest.mark.parametrize(
    ("line", "reach"),
    [
        ("yes yes yes", WELL),
        ("yes yes no", Reach("lamna", True, True, False)),
        ("no unknown unknown", Reach("lamna", False)),
        ("yes unknown no", Reach("lamna", True, None, False)),
        *((line, Reach("lamna")) for line in ("", "yes", "yes yes yes yes", "YES yes yes")),
        *((line, Reach("lamna")) for line in ("unknown yes yes", "yes yes yes\n\x1b[2J", "12")),
    ],
)
def test_what_a_container_says_is_read_strictly(line: str, reach: Reach) -> None:
    assert read_reach("lamna", line) == reach


@pytest.mark.parametrize(
    ("seen", "silent"),
    [
        ([], False),
        ([WELL], False),
        ([UNKNOWN, UNADDRESSED], False),
        ([SILENT, UNKNOWN], True),
        ([SILENT, WELL], False),
    ],
)
def test_the_host_is_asked_only_where_no_container_gets_out(
    seen: list[Reach], silent: bool
) -> None:
    assert is_silent(seen) is silent


@pytest.mark.parametrize(
    ("firewalls", "seen", "answers", "problems"),
    [
        pytest.param((), [], False, [], id="nothing runs"),
        pytest.param((), [WELL], False, [], id="well"),
        pytest.param((), [SILENT], False, [], id="a router that answers nobody"),
        pytest.param((), [SILENT, WELL], True, [], id="one gets out, so the host lets through"),
        pytest.param((), [UNKNOWN], True, [], id="nothing to try it with"),
        pytest.param((), [UNADDRESSED], False, [], id="no address yet"),
        pytest.param(("Docker",), [UNADDRESSED], False, [], id="which Docker has no part in"),
        pytest.param(("ufw",), [UNADDRESSED], False, ["no address"], id="which ufw explains"),
        pytest.param((), [SILENT], True, ["drops what isurus sends"], id="dropped"),
        pytest.param((), [NAMELESS], False, ["does not answer"], id="no names"),
        pytest.param((), [NAMELESS, WELL], False, [], id="names for another"),
    ],
)
def test_problems(
    firewalls: tuple[str, ...], seen: list[Reach], answers: bool, problems: list[str]
) -> None:
    found = [f for f in reach_findings("br0", firewalls, seen, answers) if f.problem]
    assert len(found) == len(problems)
    for finding, says in zip(found, problems, strict=True):
        assert says in finding.what
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
def test_the_cure_is_that_of_the_firewall_that_is_there(
    firewalls: tuple[str, ...], cures: list[str]
) -> None:
    (found,) = reach_findings("br0", firewalls, [SILENT], router_answers=True)
    assert all(cure in found.cure for cure in cures)
    assert ("nft" in found.cure) is (not firewalls)


@pytest.mark.parametrize(
    ("seen", "notes"),
    [([], 3), ([UNKNOWN], 3), ([SILENT], 3), ([WELL], 0), ([UNKNOWN, WELL], 0)],
)
def test_a_firewall_is_worth_a_note_until_a_container_got_out(
    seen: list[Reach], notes: int
) -> None:
    found = reach_findings("br0", ALL, seen, router_answers=False)
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
def test_whom_a_container_can_ask(config: dict[str, str], gateway: str, name: str) -> None:
    assert (Bridge(config).gateway, Bridge(config).own_name) == (gateway, name)

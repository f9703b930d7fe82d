"""Findings about networks that containers can't reach because of the host. Pure.

Only root may read a host's firewall rules, so `tools.reach_probe` tries instead: a container sends
a packet that expires at the router next to this host, and that router reports it to the sender
(RFC 792, time exceeded). If the router answers the host but no container, something on the host
drops the packets.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from repoman_tasks.late_dataclass import dataclass
from repoman_tasks.planning.findings import Finding

__all__ = ["Reachability", "none_reach_router", "parse_reachability", "reachability_findings"]


@dataclass(frozen=True)
class Reachability:
    """Networks that one container reaches; None if that is unknown."""

    name: str
    """Name of the container."""
    route: bool | None = None
    """True if it has a default route, which it gets with its address."""
    names: bool | None = None
    """True if the bridge answers its DNS queries."""
    router: bool | None = None
    """True if it gets answers from the router next to the host."""

    @property
    def unblocked(self) -> bool:
        """True if nothing on the host drops its packets."""
        return bool(self.router) and self.names is not False


_VALUES = {"yes": True, "no": False}
_LINE = re.compile(r"(yes|no) (yes|no|unknown) (yes|no|unknown)")


def parse_reachability(name: str, line: str) -> Reachability:
    """Parse what the probe printed in the container `name`; the line may be hostile."""
    match = _LINE.fullmatch(line)
    return Reachability(name, *map(_VALUES.get, match.groups())) if match else Reachability(name)


def none_reach_router(probed: Iterable[Reachability]) -> bool:
    """Return True if containers tried to reach the next router and none did."""
    results = {one.router for one in probed}
    return False in results and True not in results


# --- the firewalls of a host ------------------------------------------------------------------

_CURES = {
    "Docker": "`sudo iptables -I DOCKER-USER -i {bridge} -j ACCEPT`, and the same with -o",
    "ufw": "`sudo ufw allow in on {bridge} to any port 67 proto udp`, the same for port 53, and "
    "`sudo ufw route allow in on {bridge}`",
    "firewalld": "`sudo firewall-cmd --permanent --zone=trusted --change-interface={bridge}`, then "
    "--reload",
}
"""Commands that let the containers' packets through each firewall. The bridge's own rules still
apply: a packet that either drops is dropped."""
_EFFECTS = {
    "Docker": "drops packets that other bridges forward",
    "ufw": "drops packets from bridges to the host and beyond",
    "firewalld": "drops packets from bridges to the host and beyond",
}
_FORWARD_FILTERS = tuple(_EFFECTS)
_INPUT_FILTERS = ("ufw", "firewalld")
"""Firewalls that drop packets to the host itself, too."""
_FIND_RULE = "find the rule that drops them with `sudo nft list ruleset`"


def reachability_findings(
    bridge: str, firewalls: Sequence[str], probed: Sequence[Reachability], router_answers: bool
) -> list[Finding]:
    """Return findings about networks that containers do not reach, each with its likely cause.

    `firewalls` are those found on the host; `router_answers` is True if the next router answers
    the host itself.
    """
    input_filters = [name for name in firewalls if name in _INPUT_FILTERS]
    findings = _address_findings(bridge, input_filters, probed)
    findings += _dns_findings(bridge, input_filters, probed)
    if router_answers and none_reach_router(probed):
        findings.append(_dropped_finding(bridge, firewalls, probed))
    if any(finding.problem for finding in findings):
        return findings
    return findings + _firewall_notes(bridge, firewalls, probed)


def _address_findings(
    bridge: str, input_filters: Sequence[str], probed: Iterable[Reachability]
) -> list[Finding]:
    """Return a finding about containers without an address.

    It is a problem only with a firewall that explains it: a container that has just started, or
    uses no DHCP, has no address either.
    """
    names = ", ".join(one.name for one in probed if one.route is False)
    if not names:
        return []
    what = f"no address from {bridge}, and so no network: {names}"
    fallback = f"allow UDP port 67 from {bridge} in the firewall of this host"
    cure = f"if this does not change: {_cures(bridge, input_filters, fallback)}"
    problem = bool(input_filters)
    return [Finding("incus", what, cure, problem=problem, kind="reach")]


def _dns_findings(
    bridge: str, input_filters: Sequence[str], probed: Iterable[Reachability]
) -> list[Finding]:
    results = {one.names for one in probed}
    if False not in results or True in results:
        return []
    what = f"{bridge} does not answer DNS queries of its containers: this host drops them"
    cure = _cures(bridge, input_filters, f"{_FIND_RULE}, and allow port 53 from {bridge}")
    return [Finding("incus", what, cure, kind="reach")]


def _dropped_finding(
    bridge: str, firewalls: Sequence[str], probed: Iterable[Reachability]
) -> Finding:
    names = ", ".join(one.name for one in probed if one.router is False)
    what = (
        f"this host drops packets from {names} to the internet: "
        "the next router answers only the host"
    )
    filters = [name for name in firewalls if name in _FORWARD_FILTERS]
    fallback = f"{_FIND_RULE}, and allow packets from and to {bridge}"
    return Finding("incus", what, _cures(bridge, filters, fallback), kind="reach")


def _cures(bridge: str, firewalls: Sequence[str], fallback: str) -> str:
    """Return the cures for `firewalls`, or `fallback` if there are none."""
    cures = [f"{name}: {_CURES[name].format(bridge=bridge)}" for name in firewalls]
    return "; ".join(cures) or fallback


def _firewall_notes(
    bridge: str, firewalls: Iterable[str], probed: Iterable[Reachability]
) -> list[Finding]:
    """Return a note for each firewall, unless a container has been seen to get past it."""
    if any(one.unblocked for one in probed):
        return []
    notes = []
    for name in firewalls:
        what = f"{name} is on this host and {_EFFECTS[name]}, unless configured otherwise"
        cure = f"if containers have no internet: {_CURES[name].format(bridge=bridge)}"
        notes.append(Finding("incus", what, cure, problem=False, kind="reach"))
    return notes

"""What containers reach, told from what was seen inside them and on the host. Pure.

Nobody but root sees the firewalls of a host. So it is tried out: a container sends something that
ends at the router next to this host, which says so to whoever sent it (RFC 792, time exceeded).
Where the router answers the host and no container, something on the host drops it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from repoman_tasks.planning.findings import Finding

__all__ = ["Reach", "is_silent", "reach_findings", "read_reach"]


@dataclass(frozen=True)
class Reach:
    """What one container reaches; None where that is not known."""

    name: str
    route: bool | None = None
    """Whether it has a way out, which it gets with its address."""
    names: bool | None = None
    """Whether the bridge answers for names."""
    router: bool | None = None
    """Whether it hears of the router next to the host."""

    @property
    def gets_out(self) -> bool:
        """Whether nothing on the host is in its way."""
        return bool(self.router) and self.names is not False


_WORDS = {"yes": True, "no": False}
_SAID = re.compile(r"(yes|no) (yes|no|unknown) (yes|no|unknown)")


def read_reach(name: str, line: str) -> Reach:
    """Read what the container called `name` said of itself; it may be hostile."""
    match = _SAID.fullmatch(line)
    return Reach(name, *map(_WORDS.get, match.groups())) if match else Reach(name)


def is_silent(seen: Iterable[Reach]) -> bool:
    """Whether containers tried to hear of the next router, and none did."""
    said = {one.router for one in seen}
    return False in said and True not in said


# --- the firewalls of a host ------------------------------------------------------------------

_CURES = {
    "Docker": "`sudo iptables -I DOCKER-USER -i {bridge} -j ACCEPT`, and the same with -o",
    "ufw": "`sudo ufw allow in on {bridge} to any port 67 proto udp`, the same for port 53, and "
    "`sudo ufw route allow in on {bridge}`",
    "firewalld": "`sudo firewall-cmd --permanent --zone=trusted --change-interface={bridge}`, then "
    "--reload",
}
"""What lets containers through the firewalls that are known. The rules of the bridge hold beside
them: what either drops is dropped."""
_DOES = {
    "Docker": "drops what other bridges send",
    "ufw": "drops what bridges ask the host for, and send",
    "firewalld": "drops what bridges ask the host for, and send",
}
_FORWARDING = tuple(_DOES)
_ASKING = ("ufw", "firewalld")
"""Those that drop what is sent on, and what is asked of the host itself."""
_LOOK = "`sudo nft list ruleset` shows the rule that drops it"


def reach_findings(
    bridge: str, firewalls: Sequence[str], seen: Sequence[Reach], router_answers: bool
) -> list[Finding]:
    """What containers do not reach, and what may keep them from it.

    `firewalls` are those that left a trace on the host, and `router_answers` is whether the next
    router answers the host itself.
    """
    asking = [name for name in firewalls if name in _ASKING]
    found = _unaddressed(bridge, asking, seen) + _nameless(bridge, asking, seen)
    if router_answers and is_silent(seen):
        found.append(_dropped(bridge, firewalls, seen))
    told = any(finding.problem for finding in found)
    return found if told else found + _notes(bridge, firewalls, seen)


def _unaddressed(bridge: str, asking: Sequence[str], seen: Iterable[Reach]) -> list[Finding]:
    """One that has just started, or asks for none, has no address either: it is a problem only
    beside a firewall that explains it."""
    names = ", ".join(one.name for one in seen if one.route is False)
    if not names:
        return []
    what = f"no address from {bridge}, and so no network: {names}"
    let_in = f"let UDP port 67 in from {bridge} in the firewall of this host"
    cure = f"if it stays so: {_cures(bridge, asking, let_in)}"
    return [Finding("incus", what, cure, problem=bool(asking), kind="reach" if asking else "")]


def _nameless(bridge: str, asking: Sequence[str], seen: Iterable[Reach]) -> list[Finding]:
    said = {one.names for one in seen}
    if False not in said or True in said:
        return []
    what = f"{bridge} does not answer its containers for names: something on this host drops it"
    cure = _cures(bridge, asking, f"{_LOOK}; let port 53 in from {bridge}")
    return [Finding("incus", what, cure, kind="reach")]


def _dropped(bridge: str, firewalls: Sequence[str], seen: Iterable[Reach]) -> Finding:
    names = ", ".join(one.name for one in seen if one.router is False)
    what = (
        f"something on this host drops what {names} sends to the internet: the next router "
        "answers this host alone"
    )
    forwarding = [name for name in firewalls if name in _FORWARDING]
    let_through = f"{_LOOK}; let through what comes from {bridge}, and what goes there"
    return Finding("incus", what, _cures(bridge, forwarding, let_through), kind="reach")


def _cures(bridge: str, firewalls: Sequence[str], other: str) -> str:
    """How to let something through: the ways of the firewalls that are there, or `other`."""
    ways = [f"{name}: {_CURES[name].format(bridge=bridge)}" for name in firewalls]
    return "; ".join(ways) or other


def _notes(bridge: str, firewalls: Iterable[str], seen: Iterable[Reach]) -> list[Finding]:
    """The firewalls that may keep containers from the internet, where none was seen to get out."""
    if any(one.gets_out for one in seen):
        return []
    found = []
    for name in firewalls:
        what = f"{name} is on this host, and {_DOES[name]}, unless it was told not to"
        note = f"if there is no internet inside: {_CURES[name].format(bridge=bridge)}"
        found.append(Finding("incus", what, note, problem=False))
    return found

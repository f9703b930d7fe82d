"""The bridge that containers sit on, and their device on it. Pure.

Where they may connect to are the bridge's rules, `planning.rules`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from repoman_tasks.model import Project

__all__ = ["UNDOING", "Bridge", "bridge_config", "bridge_faults", "has_rules", "nic"]

_INGRESS = "security.acls.default.ingress.action"
_EGRESS = "security.acls.default.egress.action"
_ACLS = "security.acls"
UNDOING = (_EGRESS, "ipv4.firewall", "ipv6.firewall", "raw.dnsmasq")
"""What a bridge must not have in its configuration."""


@dataclass(frozen=True)
class Bridge:
    """A managed bridge of Incus as it is."""

    config: Mapping[str, str]

    @property
    def gateway(self) -> str:
        """Its IPv4 address, at which containers find it; empty where it has none."""
        return self.config.get("ipv4.address", "none").partition("/")[0].replace("none", "")

    @property
    def own_name(self) -> str:
        """A name that it answers for by itself."""
        return f"_gateway.{self.config.get('dns.domain') or 'incus'}"

    @property
    def has_ipv6(self) -> bool:
        """Whether it gives IPv6 addresses."""
        return self.config.get("ipv6.address", "none") != "none"


def has_rules(project: Project) -> bool:
    """Whether the project has rules of its own, by its container's address."""
    return bool(project.allow) or project.network not in ("", "none")


def bridge_config(name: str, now: Bridge) -> dict[str, str]:
    """What a bridge with the ACL `name` is to have in its configuration."""
    config = {_ACLS: name, _INGRESS: "allow"}
    if now.has_ipv6:
        config["ipv6.dhcp.stateful"] = "true"  # Incus filters addresses only where it gave them
    return config


def bridge_faults(name: str, now: Bridge) -> list[str]:
    """How a bridge undoes the ACL `name`."""
    desired = bridge_config(name, now)
    faults = [
        f"{key} = {now.config.get(key, 'unset')}, it should be {value}"
        for key, value in desired.items()
        if now.config.get(key) != value
    ]
    if now.config.get(_EGRESS, "reject") not in ("reject", "drop"):
        faults.append(f"{_EGRESS} = {now.config[_EGRESS]}")
    firewalls = ("ipv4.firewall", "ipv6.firewall")
    faults += [f"{key} = false" for key in firewalls if now.config.get(key) == "false"]
    if now.config.get("raw.dnsmasq"):
        faults.append("raw.dnsmasq is set")
    return faults


def nic(bridge: str, address: str = "", address6: str = "") -> dict[str, str]:
    """The network device of a container, which can't pass for another one or reach it."""
    device = {
        "type": "nic",
        "name": "eth0",
        "network": bridge,
        "security.port_isolation": "true",
        "security.mac_filtering": "true",
        "security.ipv4_filtering": "true",
        "security.ipv6_filtering": "true",
    }
    pinned = {"ipv4.address": address, "ipv6.address": address6}
    return device | {key: value for key, value in pinned.items() if value}

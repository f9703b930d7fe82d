"""Managed bridge of the containers, and their network device on it. Pure.

The rules of the bridge are in `planning.fence.acl`.
"""

from __future__ import annotations

from collections.abc import Mapping

from repoman_tasks.late_dataclass import dataclass
from repoman_tasks.model import Project

__all__ = ["OVERRIDING_KEYS", "Bridge", "bridge_config", "bridge_faults", "has_rules", "nic"]

_INGRESS = "security.acls.default.ingress.action"
_EGRESS = "security.acls.default.egress.action"
_ACLS = "security.acls"
OVERRIDING_KEYS = (_EGRESS, "ipv4.firewall", "ipv6.firewall", "raw.dnsmasq")
"""Keys of a bridge's configuration that could override its ACL."""


@dataclass(frozen=True)
class Bridge:
    """Managed bridge as Incus has it."""

    config: Mapping[str, str]
    used_by: tuple[str, ...] = ()
    """Paths in Incus's API of what uses it."""

    @property
    def gateway(self) -> str:
        """IPv4 address of the bridge, or an empty string if it has none."""
        return self.config.get("ipv4.address", "none").partition("/")[0].replace("none", "")

    @property
    def gateway_name(self) -> str:
        """Host name that the bridge's own DNS server resolves."""
        return f"_gateway.{self.config.get('dns.domain') or 'incus'}"

    @property
    def has_ipv6(self) -> bool:
        """True if the bridge assigns IPv6 addresses."""
        return self.config.get("ipv6.address", "none") != "none"


def has_rules(project: Project) -> bool:
    """Return True if the project needs ACL rules of its own, by its container's address."""
    return bool(project.allow) or project.network not in ("", "none")


def bridge_config(acl_name: str, bridge: Bridge) -> dict[str, str]:
    """Return the configuration keys that make `bridge` enforce the ACL."""
    config = {_ACLS: acl_name, _INGRESS: "allow"}
    if bridge.has_ipv6:
        # Incus filters only IPv6 addresses that it assigned itself.
        config["ipv6.dhcp.stateful"] = "true"
    return config


def bridge_faults(acl_name: str, bridge: Bridge) -> list[str]:
    """Return the settings that keep `bridge` from enforcing the ACL, as phrases."""
    faults = [
        f"{key} = {bridge.config.get(key, 'unset')}, expected {value}"
        for key, value in bridge_config(acl_name, bridge).items()
        if bridge.config.get(key) != value
    ]
    if bridge.config.get(_EGRESS, "reject") not in ("reject", "drop"):
        faults.append(f"{_EGRESS} = {bridge.config[_EGRESS]}")
    firewalls = ("ipv4.firewall", "ipv6.firewall")
    faults += [f"{key} = false" for key in firewalls if bridge.config.get(key) == "false"]
    if bridge.config.get("raw.dnsmasq"):
        faults.append("raw.dnsmasq is set")
    return faults


def nic(bridge: str, address: str = "", address6: str = "") -> dict[str, str]:
    """Return a container's network device on `bridge`.

    It can neither use another container's address nor reach another container.
    """
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

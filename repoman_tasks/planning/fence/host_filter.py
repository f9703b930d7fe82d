"""Rule of the host's firewall that closes its other addresses to containers. Pure.

Incus opens ports 53, 67 and 547 of the host by the interface that a packet comes from, before any
rule of an ACL, so also at every other address of the host: a DNS server for the LAN, the one of
another bridge. No setting of Incus changes that, and a rule of its own table can't be added. A
packet that any table drops is dropped, so a table of repoman's closes them by destination.
"""

from __future__ import annotations

import re

from repoman_tasks.planning.findings import Finding
from repoman_tasks.planning.steps import AsRoot

__all__ = ["filter_findings", "filter_path", "filter_removal", "filter_steps", "filter_unit"]

_INTERFACE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,14}")
_SCRIPT = (
    "umask 022; unit=$1 rules=$2; shift 2; PATH=$PATH:/usr/sbin:/sbin; "
    'command -v nft >/dev/null || { echo "install the package nftables first" >&2; exit 1; }; '
    'nft "$rules" && mkdir -p "${unit%/*}" && printf "%s\\n" "$@" >"$unit" && '
    "{ [ ! -d /run/systemd/system ] || "
    '{ systemctl daemon-reload && systemctl enable "${unit##*/}"; }; }'
)
"""Sets the rule, and then writes the unit: `setup` takes it for done once that is there."""


_REMOVAL = (
    'if [ -d /run/systemd/system ]; then systemctl disable "${1##*/}"; fi; '
    'rm -f -- "$1" && { nft delete table "$2" || :; }'
)


def filter_path(bridge: str) -> str:
    """Return the path of the systemd unit that sets the rule when the host starts."""
    return f"/etc/systemd/system/repoman-{bridge}.service"


def _rules(bridge: str) -> str:
    """Return nft's commands; repeated, they change nothing.

    The rule names no address: it drops what is not for an address of the interface that it came
    in by (nft(8), fib), so it also fits addresses that the host gets later.
    """
    table = _table(bridge)
    hook = "type filter hook input priority -10; policy accept;"
    rule = f"iifname {bridge} fib daddr . iif type != {{ local, broadcast, multicast }} drop"
    chain = f"chain input {{ {hook} {rule}; }};"
    return f"add table {table}; delete table {table}; table {table} {{ {chain} }}"


def _table(bridge: str) -> str:
    return f"inet repoman_{re.sub(r'[^A-Za-z0-9]', '_', bridge)}"


def filter_removal(bridge: str, unit: str | None) -> list[AsRoot]:
    """Return the step that removes the unit and the rule; none if there is no unit."""
    if unit is None:
        return []
    argv = ("sh", "-c", _REMOVAL, "sh", filter_path(bridge), _table(bridge))
    return [AsRoot(argv, f"to remove the rule about the addresses of this host on {bridge}")]


def _lines(bridge: str) -> tuple[str, ...]:
    return (
        "[Unit]",
        f"Description=Close the other addresses of this host to containers on {bridge}",
        "After=nftables.service",
        "[Service]",
        "Type=oneshot",
        "RemainAfterExit=yes",
        f'ExecStart=nft "{_rules(bridge)}"',
        "[Install]",
        "WantedBy=multi-user.target",
    )


def filter_unit(bridge: str) -> str:
    """Return the text of the unit."""
    return "".join(f"{line}\n" for line in _lines(bridge))


def filter_findings(bridge: str, unit: str | None) -> list[Finding]:
    """Return a note if `unit`, the text of the unit on the host, is not that of repoman."""
    if unit == filter_unit(bridge):
        return []
    what = f"containers on {bridge} reach DNS and DHCP of every address of this host"
    return [Finding("incus", what, "run `repoman setup`", problem=False, kind="network")]


def filter_steps(bridge: str, unit: str | None) -> list[AsRoot]:
    """Return the step that writes the unit and sets the rule; none if the unit is there."""
    if unit == filter_unit(bridge) or not _INTERFACE.fullmatch(bridge):
        return []
    argv = ("sh", "-c", _SCRIPT, "sh", filter_path(bridge), _rules(bridge), *_lines(bridge))
    return [AsRoot(argv, f"to close other addresses of this host to containers on {bridge}")]

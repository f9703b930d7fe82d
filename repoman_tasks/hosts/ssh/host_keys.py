"""Check that a host is the one it was: its key against known_hosts. Fabric alone accepts any."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from repoman_tasks.hosts.ssh.connection_errors import (
    key_changed,
    key_revoked,
    key_unknown,
    or_by_ssh,
)
from repoman_tasks.hosts.ssh.ssh_settings import SshConfig, typed
from repoman_tasks.late_dataclass import dataclass
from repoman_tasks.model import Address

if TYPE_CHECKING:
    from fabric import Connection
    from paramiko import PKey

__all__ = ["check_key", "keys_of"]


Key = tuple[str, str, str]
"""Marker, kind and key in base64 of a line of known_hosts."""


@dataclass(frozen=True)
class _Known:
    """The keys in known_hosts that count for a host."""

    host: str
    """Its name there."""
    keys: Collection[Key]
    kinds: Collection[str]
    """Kinds of key that it has by that name: another key of one of these is a changed one."""


def check_key(connection: Connection, config: SshConfig, address: Address) -> None:
    """Have `connection` refuse a host whose key is not in known_hosts.

    `ssh` with the last host's `address` accepts a key after a question.
    """
    known = _known(config)
    connection.client.set_missing_host_key_policy(_policy(known, address))
    kinds = {kind for marker, kind, _ in known.keys if not marker}
    connection.connect_kwargs["transport_factory"] = _preferring(kinds)


def _known(config: SshConfig) -> _Known:
    host = _known_as(config)
    lines = [line for path in config.known_hosts for line in _lines(path)]
    keys = list(keys_of(host, lines))
    kinds = {kind for marker, kind, _ in keys if not marker}
    if not config.host_key_alias:  # a key that is known without a port is good for each port
        more = keys_of(config.hostname, lines)
        keys += [(marker, kind, key) for marker, kind, key in more if marker or kind not in kinds]
    return _Known(host, keys, kinds)


def _known_as(config: SshConfig) -> str:
    """Return the name of the host in known_hosts."""
    if config.host_key_alias:
        return config.host_key_alias
    return config.hostname if config.port == 22 else f"[{config.hostname}]:{config.port}"


def _lines(path: str) -> list[str]:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read().splitlines()
    except OSError:
        return []


def keys_of(host: str, lines: Iterable[str]) -> Iterator[Key]:
    """Return the key of each line that is about `host`."""
    for line in lines:
        fields = line.split()
        marker = fields.pop(0) if line.startswith("@") else ""
        if len(fields) >= 3 and not line.startswith("#") and _names(fields[0], host.lower()):
            yield marker, fields[1], fields[2]


def _names(patterns: str, host: str) -> bool:
    """Return True if the first field of a line matches `host`, as sshd(8) describes it."""
    if patterns.startswith("|"):
        return _hashes(patterns, host)
    each = patterns.lower().split(",")
    refused = any(_matches(pattern[1:], host) for pattern in each if pattern.startswith("!"))
    return not refused and any(_matches(pattern, host) for pattern in each)


def _matches(pattern: str, host: str) -> bool:
    plain = re.escape(pattern).replace(r"\*", ".*").replace(r"\?", ".")
    return re.fullmatch(plain, host) is not None


def _hashes(field: str, host: str) -> bool:
    from paramiko import HostKeys

    try:
        return bool(HostKeys.hash_host(host, field) == field)
    except (AssertionError, IndexError, ValueError):  # not a hash
        return False


def _policy(known: _Known, address: Address) -> Any:
    """Return what decides about a key. No host has one that paramiko knows by itself."""
    from paramiko import MissingHostKeyPolicy

    class Decide(MissingHostKeyPolicy):  # type: ignore[misc]  # paramiko has no types
        def missing_host_key(self, _client: Any, _hostname: str, key: PKey) -> None:
            _decide(known, key, address)

    return Decide()


def _decide(known: _Known, key: PKey, address: Address) -> None:
    """Raise Refused if `key` is not a known one."""
    kind, text = key.get_name(), key.get_base64()
    shown = f"{kind} {key.fingerprint}"
    if ("@revoked", kind, text) in known.keys:
        raise key_revoked(known.host)
    if ("", kind, text) in known.keys:
        return
    if kind in known.kinds:
        raise key_changed(known.host, shown, typed(address))
    raise or_by_ssh(key_unknown(known.host, shown, typed(address)), address.name)


def _preferring(kinds: Collection[str]) -> Any:
    """Return a transport that asks for the kinds of key that are known first, as ssh does."""
    from paramiko import Transport

    def make(*args: Any, **kwargs: Any) -> Transport:
        transport = Transport(*args, **kwargs)
        options = transport.get_security_options()
        first = [name for name in options.key_types if _kind(name) in kinds]
        options.key_types = [*first, *(name for name in options.key_types if name not in first)]
        return transport

    return make


def _kind(algorithm: str) -> str:
    """Return the kind of key that an algorithm signs with."""
    return "ssh-rsa" if algorithm.startswith("rsa-sha2") else algorithm

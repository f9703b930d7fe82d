"""Whether a host is who it was: its key against known_hosts. Fabric alone would accept any."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from repoman_tasks.hosts.ssh.connection_errors import key_revoked, key_unknown

if TYPE_CHECKING:
    from fabric import Connection
    from paramiko import PKey

__all__ = ["check_keys", "shown"]

_SYSTEM = ("/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2")
_USER = ("~/.ssh/known_hosts", "~/.ssh/known_hosts2")


def check_keys(connection: Connection, name: str) -> None:
    """Have `connection` refuse a host whose key is not in known_hosts, and each gateway too.

    `name` is what the person calls the host; `ssh` with it accepts a key after asking.
    """
    while connection is not None and not isinstance(connection, str):
        _check_keys(connection, name)
        connection = connection.gateway


def _check_keys(connection: Connection, name: str) -> None:
    config = connection.ssh_config
    user = shlex.split(config.get("userknownhostsfile", "")) or _USER
    system = shlex.split(config.get("globalknownhostsfile", "")) or _SYSTEM
    lines = [line for path in (*user, *system) for line in _lines(path)]
    # paramiko knows no markers: those of certificates let nobody in.
    revoked = {line.split()[3] for line in lines if _is_revoked(line)}
    known = connection.client.get_host_keys()
    for entry in filter(None, map(_entry, lines)):
        if entry.key.get_base64() not in revoked:
            for hostname in entry.hostnames:
                known.add(hostname, entry.key.get_name(), entry.key)
    connection.client.set_missing_host_key_policy(_policy(name, revoked))
    kinds = list(known.lookup(_known_as(connection)) or ())
    connection.connect_kwargs["transport_factory"] = _preferring(kinds)


def _lines(path: str) -> list[str]:
    try:
        with open(os.path.expanduser(path), encoding="utf-8", errors="replace") as file:
            return file.read().splitlines()
    except OSError:
        return []


def _is_revoked(line: str) -> bool:
    return line.startswith("@revoked") and len(line.split()) > 3


def _entry(line: str) -> Any:
    """What a line says; None where it says nothing that can be understood."""
    from paramiko import SSHException
    from paramiko.hostkeys import HostKeyEntry, InvalidHostKey

    if line.startswith(("@", "#")):
        return None
    try:
        entry = HostKeyEntry.from_line(line)
    except (SSHException, InvalidHostKey, ValueError):
        return None
    return entry if entry is not None and entry.key is not None else None


def _known_as(connection: Connection) -> str:
    port = int(connection.port)
    return connection.host if port == 22 else f"[{connection.host}]:{port}"


def _policy(name: str, revoked: set[str]) -> Any:
    from paramiko import MissingHostKeyPolicy

    class Refuse(MissingHostKeyPolicy):  # type: ignore[misc]  # paramiko has no types
        def missing_host_key(self, _client: Any, hostname: str, key: PKey) -> None:
            if key.get_base64() in revoked:
                raise key_revoked(hostname)
            raise key_unknown(hostname, shown(key), name)

    return Refuse()


def _preferring(desired: Sequence[str]) -> Any:
    """A transport that asks for the kinds of key that are known first; paramiko, for one alone."""
    from paramiko import Transport

    def make(*args: Any, **kwargs: Any) -> Transport:
        transport = Transport(*args, **kwargs)
        options = transport.get_security_options()
        first = [kind for kind in options.key_types if _kind(kind) in desired]
        options.key_types = [*first, *(kind for kind in options.key_types if kind not in first)]
        return transport

    return make


def _kind(algorithm: str) -> str:
    """The kind of key that an algorithm signs with."""
    return "ssh-rsa" if algorithm.startswith("rsa-sha2") else algorithm


def shown(key: PKey) -> str:
    """A key as a person compares it."""
    return f"{key.get_name()} {key.fingerprint}"

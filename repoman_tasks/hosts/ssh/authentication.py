"""Prove to a host who a person is: by keys of the agent and of files, then by a password."""

from __future__ import annotations

import base64
import binascii
import contextlib
import socket
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from paramiko import Channel

    from repoman_tasks.hosts.ssh.ssh_settings import SshConfig

__all__ = ["Question", "forward_agent", "strategy"]

Question = Callable[[str], str] | None
"""Shows its argument and returns what a person typed; None if there is nobody to ask."""

_AGENT_SECONDS = 60.0
"""Time limit of the agent, which may have a person confirm the use of a key."""
_OPENSSH_KEY = "-----BEGIN OPENSSH PRIVATE KEY-----"


def strategy(config: SshConfig, ask: Question) -> type[Any]:
    """Return a strategy class for Fabric, which tries keys in the order of ssh."""
    from paramiko.auth_strategy import AuthStrategy

    class Logins(AuthStrategy):  # type: ignore[misc]  # paramiko has no types
        def __init__(self, ssh_config: Any, **_: Any) -> None:
            super().__init__(ssh_config=ssh_config)

        def get_sources(self) -> Iterator[Any]:
            """Return what to try, one after the other."""
            return _sources(config, ask)

    return Logins


def _sources(config: SshConfig, ask: Question) -> Iterator[Any]:
    """Return the agent's keys that a file names, its other keys, those of files, a password.

    A server counts attempts (MaxAuthTries), so the order matters. A person is asked only when it
    is the turn of an encrypted key, or of the password.
    """
    from paramiko.auth_strategy import InMemoryPrivateKey, Password

    certificates = [*config.certificates, *(f"{path}-cert.pub" for path in config.identities)]
    for key in _keys(config, certificates, ask):
        for path in certificates:
            if _certify(key, path):
                yield InMemoryPrivateKey(username=config.user, pkey=key)
                key.public_blob = None
        yield InMemoryPrivateKey(username=config.user, pkey=key)
    if ask is not None:
        question = f"password of {config.user}: "
        yield Password(username=config.user, password_getter=lambda: ask(question))


def _keys(config: SshConfig, certificates: Sequence[str], ask: Question) -> Iterator[Any]:
    """Return the keys in the order of OpenSSH's pubkey_prepare."""
    in_files = {path: _public(path) for path in config.identities}
    named = {*in_files.values(), *map(_public, certificates)}
    in_agent = _agent_keys(config.agent)
    yield from (key for key in in_agent if key.blob in named)
    if not config.identities_only:
        yield from (key for key in in_agent if key.blob not in named)
    tried = {key.blob for key in in_agent}
    for path, public in in_files.items():
        if public not in tried and (key := _key_of_file(path, ask)) is not None:
            yield key


# --- the agent -------------------------------------------------------------------------


def _connect(path: str) -> socket.socket:
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    made.settimeout(_AGENT_SECONDS)
    try:
        made.connect(path)
    except OSError:
        made.close()
        raise
    return made


def _agent_keys(path: str) -> list[Any]:
    """Return the keys of the agent at a socket; none if there is no agent."""
    from paramiko import SSHException
    from paramiko.agent import AgentSSH

    agent = AgentSSH()
    with contextlib.suppress(OSError, SSHException):
        if path:
            agent._connect(_connect(path))
    return list(agent.get_keys())


def forward_agent(channel: Channel, path: str) -> None:
    """Let the other side of `channel` use the agent at a socket."""
    from paramiko.agent import AgentClientProxy

    class Proxy(AgentClientProxy):  # type: ignore[misc]  # paramiko has no types
        def connect(self) -> None:
            self._conn = _connect(path)
            self._conn.settimeout(None)

    proxies: list[Proxy] = []
    channel.request_forward_agent(lambda far: proxies.append(Proxy(far)))


# --- files -----------------------------------------------------------------------------


def _public(path: str) -> bytes:
    """Return the public key that belongs to a file of ssh; empty if there is none to read.

    The file itself tells it, even if it is encrypted, or the one with .pub beside it.
    """
    for name in (path, f"{path}.pub"):
        with contextlib.suppress(OSError, ValueError, binascii.Error):
            with open(name, encoding="ascii") as file:
                text = file.read()
            found = _of_private(text) if text.startswith(_OPENSSH_KEY) else _of_line(text)
            if found:
                return found
    return b""


def _of_line(text: str) -> bytes:
    kind, _, rest = text.partition(" ")
    data = base64.b64decode(rest.split()[0]) if rest else b""
    return data if kind and kind.encode() in data[:64] else b""


def _of_private(text: str) -> bytes:
    """Return the public key in a private one, which is not encrypted (PROTOCOL.key of OpenSSH)."""
    from paramiko import Message

    message = Message(base64.b64decode("".join(text.split("\n")[1:]).partition("-")[0]))
    message.get_bytes(len(b"openssh-key-v1\0"))
    for _ in ("cipher", "kdf", "options of it"):
        message.get_string()
    message.get_int()
    return bytes(message.get_string())


def _key_of_file(path: str, ask: Question) -> Any:
    """Return the key in a file; None if there is none that can be read."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from paramiko import PasswordRequiredException, PKey, SSHException
    from paramiko.pkey import UnknownKeyType

    unusable = (OSError, ValueError, SSHException, UnsupportedAlgorithm, UnknownKeyType)
    try:
        key = PKey.from_path(path)
    except (PasswordRequiredException, TypeError):  # cryptography raises the latter
        if ask is None:
            return None
        try:
            key = PKey.from_path(path, ask(f"passphrase of {path}: ").encode())
        except unusable:
            return None
    except unusable:
        return None
    key.public_blob = None  # a certificate beside it, which `_certify` adds
    return key


def _certify(key: Any, path: str) -> bool:
    """Add the certificate in a file to `key`, if it is one of this key."""
    from paramiko import Message

    certificate = _public(path)
    if not certificate or b"-cert-" not in certificate[:64]:
        return False
    message = Message(certificate)
    message.get_string()  # its kind
    message.get_string()  # a random number
    own = Message(key.asbytes())
    own.get_string()
    if not message.get_remainder().startswith(own.get_remainder()):
        return False
    key.load_certificate(Message(certificate))
    return True

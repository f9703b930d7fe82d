"""Proving who a person is: the agent, keys, and what a person types on a terminal."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

__all__ = ["Question", "strategy"]

Question = Callable[[str], str] | None
"""Takes what to ask and gives what was typed; None where nobody can be asked."""

_DEFAULT_KEYS = ("id_ed25519", "id_ecdsa", "id_rsa")


def strategy(ask: Question) -> type[Any]:
    """A strategy class for Fabric: the agent's keys, those in files, then a password.

    A person is asked only when the turn of a key that is encrypted, or of the password, comes.
    """
    from paramiko.auth_strategy import AuthStrategy, Password

    class Logins(AuthStrategy):  # type: ignore[misc]  # paramiko has no types
        def __init__(self, ssh_config: Any, fabric_config: Any, username: str) -> None:
            super().__init__(ssh_config=ssh_config)
            self._user = username
            self._identities = list(fabric_config.authentication.identities)

        def get_sources(self) -> Iterator[Any]:
            """What to try, one after the other."""
            if self.ssh_config.get("identitiesonly", "no") != "yes":
                yield from _of_agent(self._user)
            named = [*self._identities, *self.ssh_config.get("identityfile", [])]
            yield from _of_files(self._user, named or _default_keys(), ask)
            if ask is not None:
                question = f"password of {self._user}: "
                yield Password(username=self._user, password_getter=lambda: ask(question))

    return Logins


def _of_agent(user: str) -> Iterator[Any]:
    from paramiko import Agent
    from paramiko.auth_strategy import InMemoryPrivateKey

    for key in Agent().get_keys():
        yield InMemoryPrivateKey(username=user, pkey=key)


def _default_keys() -> list[str]:
    return [f"~/.ssh/{name}" for name in _DEFAULT_KEYS]


def _of_files(user: str, paths: list[str], ask: Question) -> Iterator[Any]:
    from paramiko.auth_strategy import OnDiskPrivateKey

    for path in map(os.path.expanduser, paths):
        key = _key(path, ask)
        if key is not None:
            yield OnDiskPrivateKey(username=user, source="ssh-config", path=path, pkey=key)


def _key(path: str, ask: Question) -> Any:
    """The key in a file; None where there is none that can be read."""
    from paramiko import PasswordRequiredException, PKey, SSHException

    try:
        return PKey.from_path(path)
    except (PasswordRequiredException, TypeError):  # cryptography says so by the latter
        if ask is None:
            return None
    except (OSError, ValueError, SSHException):
        return None
    try:
        return PKey.from_path(path, ask(f"passphrase of {path}: ").encode())
    except (OSError, ValueError, SSHException):
        return None

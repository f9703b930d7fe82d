"""What is said where a connection is not made, or breaks; the same for each transport.

`typed` are the arguments of `ssh` that reach the host, `where` is what it really is. In `hostname`
a port other than 22 stands as in known_hosts.
"""

from __future__ import annotations

import json
import re

from repoman_tasks.errors import Failed, Refused, RepomanError
from repoman_tasks.hosts.ssh.transport import ConnectionLost, TooManySessions

__all__ = [
    "denied",
    "key_changed",
    "key_revoked",
    "key_unknown",
    "lost",
    "needs_shell",
    "no_answer",
    "no_connection",
    "no_terminal",
    "or_by_ssh",
    "refused",
    "too_many",
    "unknown_host",
]


def or_by_ssh(error: RepomanError, name: str) -> RepomanError:
    """Return `error` of Fabric with another cure: to have the system's ssh carry the connection."""
    error.cure = f"{error.cure}; if ssh gets in, {_by_ssh(name)}"
    return error


def _by_ssh(name: str) -> str:
    table = name if re.fullmatch(r"[\w-]+", name, re.ASCII) else json.dumps(name)
    return f'set transport = "openssh" in [hosts.{table}]'


def needs_shell(where: str, name: str) -> Failed:
    """Return the error for a ProxyCommand that is more than a program and its arguments."""
    return Failed(f"the ProxyCommand to {where}, needs a shell", _by_ssh(name))


def unknown_host(host: str) -> Failed:
    """Nobody knows an address of it."""
    return Failed(f"no host is called {host}", "look at the name")


def refused(where: str) -> Failed:
    """It is up, and nobody listens."""
    return Failed(f"{where}, refused the connection", "look whether sshd runs there")


def no_answer(where: str) -> Failed:
    """Nothing came back in the time for it."""
    return Failed(f"{where}, did not answer", "look whether it is up")


def denied(user: str, where: str, typed: str) -> Failed:
    """Whatever the person has to log in with is not enough."""
    return Failed(
        f"{user} was denied by {where}",
        f"`ssh {typed}` tells more; without a terminal only keys can be used",
    )


def no_connection(where: str, said: str, typed: str) -> Failed:
    """Something else, in the words of who tried."""
    return Failed(f"no connection to {where}, {said}", f"`ssh {typed}` tells more")


def lost(why: str = "") -> ConnectionLost:
    """A connection that was there is gone."""
    rest = f", {why}" if why else ""
    return ConnectionLost(f"the connection broke{rest}", "look whether the host is up, then repeat")


def too_many() -> TooManySessions:
    """One more program is not let run."""
    return TooManySessions(
        "it lets too few programs run over one connection", "raise MaxSessions in its sshd_config"
    )


def no_terminal() -> Failed:
    """A program has to do without one."""
    return Failed("it gives no terminal", "look at PermitTTY in its sshd_config")


def key_unknown(hostname: str, shown: str, typed: str) -> Refused:
    """known_hosts has no key of it; `shown` is the key that it has."""
    return Refused(
        f"the key of {hostname} is not known, {shown}",
        f"where it is the right one, `ssh {typed}` accepts it",
    )


def key_changed(hostname: str, shown: str, typed: str) -> Refused:
    """known_hosts has another key; `shown` is the key that it has now."""
    return Refused(
        f"the key of {hostname} is not the one that is known, it is {shown}",
        "somebody may be in between; where the host was set up anew, "
        f"`ssh-keygen -R {hostname}`, then `ssh {typed}`",
    )


def key_revoked(hostname: str) -> Refused:
    """known_hosts says that its key is not to be trusted any more."""
    return Refused(f"the key of {hostname} is revoked", "find out why")

"""The errors of a connection that can't be made, or breaks; the same for each transport.

`typed` are the arguments of `ssh` that reach the host, `where` is what it really is. In `hostname`
a port other than 22 stands as in known_hosts.
"""

from __future__ import annotations

import json
import re

from repoman_tasks.errors import Failed, Refused, RepomanError, quoted, without_backticks
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
    "not_started",
    "or_by_ssh",
    "reads_input",
    "redirects_output",
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


def unknown_host(host: str, *, unsure: bool = False) -> Failed:
    """Return the error for a host name without an address; `unsure` if no name server answers."""
    network = ", and whether the network is up" if unsure else ""
    return Failed(f"no host is called {host}", f"look at the name{network}")


def refused(where: str) -> Failed:
    """Return the error for a port that nobody listens on."""
    return Failed(f"{where}, refused the connection", "look whether sshd runs there")


def no_answer(where: str) -> Failed:
    """Return the error for a host that does not answer."""
    return Failed(f"{where}, did not answer", "look whether it is up")


def denied(user: str, where: str, typed: str) -> Failed:
    """Return the error for a login that is denied."""
    return Failed(
        f"{user} was denied by {where}",
        f"`ssh {typed}` tells more; without a terminal only keys can be used",
    )


def no_connection(where: str, said: str, typed: str) -> Failed:
    """Return the error for any other reason, in the words of the SSH library or program."""
    return Failed(f"no connection to {where}, {said}", f"`ssh {typed}` tells more")


def lost(why: str = "") -> ConnectionLost:
    """Return the error for a connection that broke."""
    rest = f", {why}" if why else ""
    return ConnectionLost(f"the connection broke{rest}", "look whether the host is up, then repeat")


def too_many() -> TooManySessions:
    """Return the error for a session that the server does not allow."""
    return TooManySessions(
        "it lets too few programs run over one connection", "raise MaxSessions in its sshd_config"
    )


def no_terminal() -> Failed:
    """Return the error for a server that provides no terminal."""
    return Failed("it gives no terminal", "look at PermitTTY in its sshd_config")


def not_started(typed: str, said: bytes = b"") -> Failed:
    """Return the error for a login shell that runs something else; `said` is standard error."""
    lines = said.decode(errors="replace").strip().splitlines()
    why = f": {without_backticks(lines[-1].strip())}" if lines else ""
    return Failed(
        f"its login shell did not start sh{why}",
        f"look at the shell and its start-up files, such as ~/.bashrc: `ssh {typed} true` has to "
        "run true and end",
    )


def reads_input() -> Failed:
    """Return the error for a host that never answers, because start-up files read the requests."""
    return Failed(
        "a start-up file of its login shell reads standard input",
        "have ~/.bashrc, or its like, do so in an interactive shell only",
    )


def redirects_output() -> Failed:
    """Return the error for a host whose answers go elsewhere."""
    return Failed(
        "a start-up file of its login shell redirects standard output",
        "have ~/.bashrc, or its like, do so in an interactive shell only",
    )


def key_unknown(hostname: str, shown: str, typed: str) -> Refused:
    """Return the error for a host without a key in known_hosts; `shown` is its key."""
    return Refused(
        f"the key of {hostname} is not known, {shown}",
        f"where it is the right one, `ssh {typed}` accepts it",
    )


def key_changed(hostname: str, shown: str, typed: str) -> Refused:
    """Return the error for a host whose key differs from known_hosts; `shown` is its key now."""
    return Refused(
        f"the key of {hostname} is not the one that is known, it is {shown}",
        "somebody may be in between; where the host was set up anew, "
        f"`ssh-keygen -R {quoted(hostname)}`, then `ssh {typed}`",
    )


def key_revoked(hostname: str) -> Refused:
    """Return the error for a host key that known_hosts marks as revoked."""
    return Refused(f"the key of {hostname} is revoked", "find out why")

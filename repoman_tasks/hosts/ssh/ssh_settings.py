"""Read the settings of ssh_config for a host, as the system's own `ssh -G` prints them.

Match, Include, tokens and defaults are then those of `ssh HOST`. If there is no ssh, Paramiko's
parser reads the files, which knows less of them.
"""

from __future__ import annotations

import os
import pwd
import re
import shutil
import socket
from collections.abc import Mapping, Sequence
from dataclasses import field
from functools import partial

from repoman_tasks.errors import Failed, quoted
from repoman_tasks.hosts.local import LocalHost
from repoman_tasks.hosts.ssh.paramiko_config import DEFAULT_KEYS, read_files
from repoman_tasks.hosts.ssh.tokens import Tokens
from repoman_tasks.late_dataclass import dataclass
from repoman_tasks.model import Address

__all__ = ["SshConfig", "read", "route", "target", "typed"]

_SECONDS = 20.0
"""Time limit of `ssh -G`, which asks DNS for CanonicalizeHostname and runs Match exec."""
_MOST_BYTES = 1 << 18
_HASH = "/%C"
"""A path that `ssh -G` prints with %C replaced, which depends on the version of ssh."""
_REFUSED = 255
"""OpenSSH's exit status if it can't read its configuration. Another ssh exits with another."""
_MOST_HOPS = 16

Values = Mapping[str, Sequence[str]]
"""Values by lower-case keyword; a keyword that stands alone has one, most have one."""


@dataclass(frozen=True)
class SshConfig:
    """The settings for one host that repoman uses, with tokens replaced."""

    hostname: str
    user: str
    port: int
    identities: tuple[str, ...] = ()
    certificates: tuple[str, ...] = ()
    identities_only: bool = False
    agent: str = ""
    """Socket of the agent; empty for none."""
    forwarded_agent: str = ""
    """Socket of the agent to forward; empty for none."""
    host_key_alias: str = ""
    known_hosts: tuple[str, ...] = ()
    address_family: str = ""
    """`inet` or `inet6`; any other value is for both."""
    bind_address: str = ""
    connect_timeout: int = 0
    """Seconds; 0 if not set."""
    proxy_jump: str = ""
    proxy_command: str = ""
    tokens: Tokens = field(kw_only=True)


def typed(address: Address) -> str:
    """Return the arguments of `ssh` that reach the host at `address`, as a person types them."""
    argv = ["-p", str(address.port)] if address.port else []
    argv += ["-i", address.identity] if address.identity else []
    host = address.address or address.name
    return quoted(*argv, f"{address.user}@{host}" if address.user else host)


def target(address: Address) -> list[str]:
    """Return the arguments of `ssh` that reach the host at `address`."""
    argv = ["-l", address.user] if address.user else []
    argv += ["-p", str(address.port)] if address.port else []
    argv += ["-i", os.path.expanduser(address.identity)] if address.identity else []
    return [*argv, "--", address.address or address.name]


def route(address: Address, here: LocalHost) -> list[SshConfig]:
    """Return the settings of each host on the way to `address`, which comes last."""
    found = [read(address, here)]
    while jump := found[0].proxy_jump:
        if len(found) > _MOST_HOPS:
            raise Failed(f"ProxyJump of {typed(address)} goes in a circle", "correct ssh_config")
        before, _, last = jump.rpartition(",")
        found.insert(0, read(_hop(last), here, before))
    return found


def read(address: Address, here: LocalHost, jump: str = "") -> SshConfig:
    """Return the settings for `address`; `jump`, if not empty, replaces its ProxyJump."""
    if shutil.which("ssh", path=here.environ.get("PATH")):
        values = _by_ssh(address, here, jump)
        if values is not None:
            return _config(address, values, here, pwd.getpwuid(here.uid).pw_dir)
    return _config(address, _by_paramiko(address, here, jump), here, here.home)


_HOP = re.compile(r"(?:ssh://)?(?:(?P<user>.*)@)?\[?(?P<host>.+?)\]?(?::(?P<port>\d+))?/?")


def _hop(text: str) -> Address:
    """Return the address of a hop of ProxyJump."""
    found = _HOP.fullmatch(text.strip())
    if found is None:
        raise Failed(f"{text!r} is not a hop of ProxyJump", "correct ssh_config")
    user, host, port = found["user"] or "", found["host"], int(found["port"] or 0)
    return Address(host, user=user, port=port)


# --- by ssh itself ---------------------------------------------------------------------


def _by_ssh(address: Address, here: LocalHost, jump: str) -> Values | None:
    """Return what `ssh -G` prints; None if this ssh is not OpenSSH, and has no -G."""
    argv = ["ssh", "-G", "-N", "-T", "-o", f"ControlPath={_HASH}", *(["-J", jump] if jump else [])]
    done = here.read([*argv, *target(address)], timeout=_SECONDS, max_bytes=_MOST_BYTES)
    if done.code == _REFUSED:
        raise _refused(address, done.err.decode(errors="replace"))
    values: dict[str, list[str]] = {}
    for line in os.fsdecode(done.out).splitlines():
        keyword, _, value = line.partition(" ")
        values.setdefault(keyword, []).append(value)
    return values if done.code == 0 and "hostname" in values else None


def _refused(address: Address, said: str) -> Failed:
    """Return the error that ssh has with its configuration, in its own line."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    named = [line for line in lines if re.search(r"\bline \d+", line)]
    why = (named or lines[-1:] or ["ssh gave no reason"])[0].rstrip(".")
    return Failed(f"ssh rejects {typed(address)}, {why}", "correct the host or ssh_config")


def _by_paramiko(address: Address, here: LocalHost, jump: str) -> Values:
    """Return what Paramiko's parser finds, and what the address says."""
    user, _, host = (address.address or address.name).rpartition("@")
    values = read_files(here.home, host)
    if address.identity:
        default = values["identityfile"] == DEFAULT_KEYS
        values["identityfile"] = [address.identity, *([] if default else values["identityfile"])]
    port = str(address.port or "")
    given = {"user": address.user or user, "port": port, "proxyjump": jump}
    values |= {keyword: [value] for keyword, value in given.items() if value}
    last = values.get("proxyjump", [""])[0].rpartition(",")[2]
    if last and _hop(last).name == host:  # "Host *" with a ProxyJump matches the hop, too
        del values["proxyjump"]
    return values


def _config(address: Address, values: Values, here: LocalHost, home: str) -> SshConfig:
    first = partial(_first, values)
    tokens = _tokens(address, values, here, home)
    agent = tokens.socket(_agent(values))
    jump = tokens.text(first("proxyjump"))
    timeout = first("connecttimeout")
    return SshConfig(
        hostname=tokens.letters["h"],
        user=tokens.letters["r"],
        port=int(tokens.letters["p"]),
        identities=tokens.paths(values.get("identityfile", ())),
        certificates=tokens.paths(values.get("certificatefile", ())),
        identities_only=_yes(first("identitiesonly")),
        agent=agent,
        forwarded_agent=_forwarded(first("forwardagent"), agent, tokens),
        host_key_alias=first("hostkeyalias"),
        known_hosts=tokens.paths(_files(values, "userknownhostsfile", "globalknownhostsfile")),
        address_family=first("addressfamily").lower(),
        bind_address=first("bindaddress"),
        connect_timeout=int(timeout) if timeout.isdigit() else 0,
        proxy_jump=jump,
        proxy_command="" if jump else first("proxycommand"),
        tokens=tokens,
    )


def _first(values: Values, keyword: str) -> str:
    """Return the value of a keyword; empty if it is not set, or `none`."""
    value = next(iter(values.get(keyword, ())), "")
    return "" if value.lower() == "none" else value


def _tokens(address: Address, values: Values, here: LocalHost, home: str) -> Tokens:
    """Return the tokens of ssh_config(5)."""
    given = _first(values, "host") or (address.address or address.name).rpartition("@")[2]
    me, machine = pwd.getpwuid(here.uid).pw_name, socket.gethostname()
    letters = {
        "%": "%",
        "d": home,
        "h": _first(values, "hostname") or given,
        "i": str(here.uid),
        "k": _first(values, "hostkeyalias") or given,
        "L": machine.partition(".")[0],
        "l": machine,
        "n": given,
        "p": _first(values, "port") or "22",
        "r": _first(values, "user") or me,
        "u": me,
    }
    if path := _first(values, "controlpath").removeprefix("/"):
        letters["C"] = path
    return Tokens(letters, here.environ, home)


def _yes(value: str) -> bool:
    return value.lower() in ("yes", "true")


def _agent(values: Values) -> str:
    """Return the value of IdentityAgent; empty if it is `none`."""
    return _first({"identityagent": ["SSH_AUTH_SOCK"], **values}, "identityagent")


def _forwarded(value: str, agent: str, tokens: Tokens) -> str:
    """Return the socket that ForwardAgent names: a path, or the agent in use for `yes`."""
    if _yes(value):
        return agent
    return "" if value.lower() in ("", "no", "false") else tokens.socket(value)


def _files(values: Values, *keywords: str) -> list[str]:
    """Return the paths of lists of files. `ssh -G` prints them unquoted, a space between them."""
    lines = [line for keyword in keywords for line in values.get(keyword, ())]
    return [path for line in lines for path in re.split(r" (?=[/~])", line)]

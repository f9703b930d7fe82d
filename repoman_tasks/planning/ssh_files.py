"""Files by which ssh reaches containers: a configuration, a key, the known hosts. Pure."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence

from repoman_tasks.errors import Failed, UsageError, quoted
from repoman_tasks.late_dataclass import dataclass
from repoman_tasks.planning.names import nearest
from repoman_tasks.planning.steps import DeleteFile, Step, WriteFile
from repoman_tasks.planning.steps import RunProgram as Run

__all__ = [
    "SshFiles",
    "Target",
    "check_ssh_action",
    "check_user",
    "config_text",
    "install_ssh_steps",
    "known_hosts_with",
    "parse_host_key",
    "parse_target",
    "remove_ssh_steps",
]

_ACTIONS = ("install", "remove", "show")
_CONNECT = "connect"
"""The action that ssh runs; nobody types it."""
_SUFFIX = ".repoman"
_HOST_KEY = re.compile(r"ssh-ed25519 [A-Za-z0-9+/]{68}")


@dataclass(frozen=True)
class SshFiles:
    """The files as they are on a host, and the configuration as it should be."""

    folder: str
    """Holds all files but the user's."""
    user_config: str
    """Path of ~/.ssh/config."""
    text: str
    """The configuration as it should be."""
    user_content: bytes | None = None
    """Content of ~/.ssh/config; None if there is none."""
    content: bytes | None = None
    """Content of the configuration; None if there is none."""
    keys: tuple[str, ...] = ()
    """Those of the files of the key that exist: the private one and the public one."""

    @property
    def config(self) -> str:
        """Path of the configuration."""
        return f"{self.folder}/config"

    @property
    def key(self) -> str:
        """Path of the private key."""
        return f"{self.folder}/key"

    @property
    def has_key(self) -> bool:
        """True if both files of the key exist."""
        return len(self.keys) == 2

    @property
    def include(self) -> str:
        """The line of ~/.ssh/config that includes the configuration."""
        return f"Include {_word(self.config)}"

    @property
    def included(self) -> bool:
        """True if ~/.ssh/config has that line."""
        return self.include in _lines(self.user_content)

    @property
    def installed(self) -> bool:
        """True if nothing is missing or of another version."""
        return self.included and self.has_key and self.content == self.text.encode()


@dataclass(frozen=True)
class Target:
    """A container by the name that ssh uses."""

    known_as: str
    """NAME.repoman or NAME.HOST.repoman, as ssh was given it."""
    user: str
    """Empty if it is not known."""
    name: str
    host: str
    """Empty for this host."""


def check_ssh_action(action: str, name: str | None) -> None:
    """Raise UsageError unless ssh-config has this action, and with a `name` if it needs one."""
    if action not in (*_ACTIONS, _CONNECT):
        near = nearest(action, _ACTIONS)
        hint = f"did you mean {near}?" if near else f"use {', '.join(_ACTIONS)}"
        raise UsageError(f"ssh-config has no action {action!r}", hint)
    if (name is None) is (action == _CONNECT):
        raise UsageError(f"ssh-config {action} takes {'a' if name is None else 'no'} name", _HELP)


_HELP = "see `repoman help ssh-config`"


def parse_target(text: str) -> Target:
    """Return the container that [USER@]NAME[.HOST].repoman names; raise UsageError."""
    user, _, known_as = text.rpartition("@")
    name, _, host = known_as.removesuffix(_SUFFIX).partition(".")
    if not name or not known_as.endswith(_SUFFIX):
        raise UsageError(f"{text!r} names no container", "use NAME.repoman or NAME.HOST.repoman")
    return Target(known_as, user, name, host)


def check_user(target: Target, user: str) -> None:
    """Raise Failed if ssh logs in as another user than `user`, whom the container has."""
    if target.user not in ("", user):
        typed = quoted(f"{user}@{target.known_as}")
        what = f"the user of {target.name} is {user}, and not {target.user}"
        raise Failed(what, f"run `ssh {typed}`")


def config_text(folder: str, user: str, repoman: Sequence[str]) -> str:
    """Return the configuration: ssh reaches the containers by the program `repoman`.

    The options stand here because the first value of each wins over what follows in ~/.ssh/config.
    """
    program = shlex.join(repoman).replace("%", "%%")
    lines = (
        f"ProxyCommand {program} ssh-config {_CONNECT} '%r@%n' --no-input --host ''",
        f"User {_word(user)}",
        f"IdentityFile {_word(folder + '/key')}",
        *("IdentitiesOnly yes", "IdentityAgent none", "PreferredAuthentications publickey"),
        f"UserKnownHostsFile {_word(folder + '/known_hosts')}",
        *("GlobalKnownHostsFile /dev/null", "StrictHostKeyChecking yes", "UpdateHostKeys no"),
        *("CanonicalizeHostname no", "CheckHostIP no", "HostKeyAlgorithms ssh-ed25519"),
        *("ForwardAgent no", "ForwardX11 no", "PermitLocalCommand no", "Tunnel no"),
    )
    head = "# Written by `repoman ssh-config install`; `repoman ssh-config remove` deletes it.\n"
    return f"{head}Host *{_SUFFIX}\n" + "".join(f"  {line}\n" for line in lines)


def _word(text: str) -> str:
    """Return `text` as one argument of ssh_config(5)."""
    return '"' + text.replace("%", "%%") + '"'


def install_ssh_steps(files: SshFiles) -> list[Step]:
    """Return the steps that put what is missing in its place."""
    if '"' in files.folder or "\n" in files.folder:
        raise Failed(f"{files.folder} can't be named in ssh_config", "set XDG_STATE_HOME")
    steps: list[Step] = []
    if files.content != files.text.encode():
        verb = "write" if files.content is None else "replace"
        steps.append(WriteFile(f"{verb} {files.config}", files.config, files.text))
    if not files.has_key:
        steps += [DeleteFile(path) for path in files.keys]  # ssh-keygen would ask
        argv = ("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "repoman", "-f", files.key)
        steps.append(Run(f"create the key {files.key}, for containers only", argv))
    if not files.included:
        # Below a Host or Match it would be a part of that.
        text = f"{files.include}\n" + _text(files.user_content)
        what = f"add a line to {files.user_config}: {files.include}"
        steps.append(WriteFile(what, files.user_config, text))
    return steps


def remove_ssh_steps(files: SshFiles) -> list[Step]:
    """Return the steps that take away the line, the configuration, and the key."""
    steps: list[Step] = []
    if files.included:
        kept = "".join(
            line
            for line in _text(files.user_content).splitlines(keepends=True)
            if line.strip() != files.include
        )
        what = f"remove the line from {files.user_config}: {files.include}"
        step = WriteFile(what, files.user_config, kept) if kept else DeleteFile(files.user_config)
        steps.append(step)
    if files.content is not None:
        steps.append(DeleteFile(files.config))
    return [*steps, *(DeleteFile(path) for path in files.keys)]


def _text(content: bytes | None) -> str:
    return (content or b"").decode(errors="surrogateescape")


def _lines(content: bytes | None) -> list[str]:
    return [line.strip() for line in _text(content).splitlines()]


def parse_host_key(output: bytes, name: str) -> str:
    """Return the host key that a container printed; raise Failed if it is none."""
    line = output.decode(errors="replace").partition("\n")[0].strip()
    key = " ".join(line.split(" ")[:2])
    if not _HOST_KEY.fullmatch(key):
        raise Failed(f"sshd in {name} has no usable host key", "install openssh-server there anew")
    return key


def known_hosts_with(content: bytes | None, host: str, key: str) -> str:
    """Return the file of known hosts in which `host` has this key and no other."""
    lines = _text(content).splitlines()
    kept = [line for line in lines if line.split(" ")[0] != host.lower()]
    return "".join(f"{line}\n" for line in [*kept, f"{host.lower()} {key}"])

"""An sshd in a container that listens nowhere: it serves the connection that it is started with."""

from __future__ import annotations

from repoman_tasks.errors import Failed, quoted
from repoman_tasks.planning.ssh_files import parse_host_key
from repoman_tasks.tools.guest import DELAY, GuestHandle

__all__ = ["prepare_sshd", "sshd_argv"]

_NO_SSHD = 91

_PREPARE = (
    DELAY
    + r"""
public=$1 missing=$2 folder=/run/repoman-ssh
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
command -v sshd >/dev/null && command -v ssh-keygen >/dev/null || exit "$missing"
umask 022
mkdir -p "$folder" /run/sshd || exit 1
if [ ! -s "$folder/host_key" ]; then
    new=$folder/host_key.$$
    ssh-keygen -q -t ed25519 -N '' -f "$new" || exit 1
    ln "$new" "$folder/host_key" 2>/dev/null
    rm -f "$new" "$new.pub"
fi
printf '%s\n' "$public" >"$folder/authorized_keys.$$" &&
    mv -f "$folder/authorized_keys.$$" "$folder/authorized_keys" || exit 1
ssh-keygen -y -f "$folder/host_key"
"""
)
"""Prints the public host key, which it creates once in a boot: /run is empty after a restart.
/run/sshd is where Debian's sshd changes to, and its service would create it."""

_SERVE = r"""
name=$1 folder=/run/repoman-ssh; shift
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
exec "$(command -v sshd)" -i -f /dev/null -o "HostKey=$folder/host_key" \
    -o "AuthorizedKeysFile=$folder/authorized_keys" -o "AllowUsers=$name" "$@"
"""

_OPTIONS = {
    "AcceptEnv": "LANG LC_*",
    "AllowAgentForwarding": "no",
    "KbdInteractiveAuthentication": "no",
    "LogLevel": "ERROR",
    "PasswordAuthentication": "no",
    "PermitRootLogin": "no",
    "PermitTunnel": "no",
    "PidFile": "none",
    "PrintMotd": "no",
    "StrictModes": "no",
    "Subsystem": "sftp internal-sftp",
    "UsePAM": "no",
    "X11Forwarding": "no",
}


def prepare_sshd(handle: GuestHandle, public_key: str) -> str:
    """Let `public_key` in, for the container's user alone; return the container's host key.

    Raise Failed if it has no sshd.
    """
    result = handle.run(_PREPARE, public_key, str(_NO_SSHD))
    name = handle.name
    if result.code == _NO_SSHD:
        install = f"`repoman exec {quoted(name)} -- sudo apt-get install openssh-server`"
        raise Failed(f"there is no sshd in {name}", f"install it, for example {install}")
    if result.code:
        raise Failed(f"sshd can't be prepared in {name}", result.complaint)
    return parse_host_key(result.out, name)


def sshd_argv(handle: GuestHandle) -> list[str]:
    """Return the argv that serves one connection on its streams, as root inside."""
    options = [word for pair in _OPTIONS.items() for word in ("-o", " ".join(pair))]
    inner = ["sh", "-c", _SERVE, "sh", handle.person.name, *options]
    return handle.incus.exec_argv(handle.name, inner)

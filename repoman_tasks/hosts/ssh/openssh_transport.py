"""Connect by the system's ssh, with all of its configuration.

One ssh process, the master, makes the connection in the background (ControlMaster in
ssh_config(5)); each program is started by another ssh over the master's socket. The socket lies in
a new folder, so masters of the user are neither used nor disturbed.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import re
import shutil
import sys
import tempfile
import time
from typing import TYPE_CHECKING

from repoman_tasks.errors import Failed, Interrupted, RepomanError
from repoman_tasks.hosts.base import Sink
from repoman_tasks.hosts.local import Child, LocalHost
from repoman_tasks.hosts.ssh import connection_errors, ssh_settings
from repoman_tasks.hosts.ssh.scripts import shell_command
from repoman_tasks.hosts.ssh.transport import RemoteProcess, SSHTransport
from repoman_tasks.model import Address

if TYPE_CHECKING:
    import socket

__all__ = ["OpensshTransport"]

_OPTIONS = {
    "ServerAliveInterval": "10",
    "ServerAliveCountMax": "2",
    "ClearAllForwardings": "yes",
    "PermitLocalCommand": "no",
    "RemoteCommand": "none",
    "LogLevel": "INFO",
}
"""Options that override ssh_config; a server that is silent for 30 seconds is given up."""
_CONNECT_SECONDS = 10
"""Time limit for a connection if ssh_config has none."""
_PERSIST = "10"
"""Seconds that the master outlives its last session, if repoman was killed."""
_LOGIN_SECONDS = 60.0
"""Time limit of a login without prompts."""
_START_SECONDS = 20.0
_LOCAL_SECONDS = 5.0
_POLL_SECONDS = 0.1
_MOST_SAID = 1 << 20
"""Limit of what ssh and the host print at login, in bytes."""
_FAILED = 255
"""Exit status of ssh itself; a program may exit with it, too."""
_NO_TERMINAL = 97
"""Exit status of repoman's shell without a terminal; a program may exit with it, too."""
_ONE_TOO_MANY = b"Session open refused by peer"


class OpensshTransport(SSHTransport):
    """An SSH connection made by the system's ssh."""

    def __init__(self, address: Address, here: LocalHost, *, asks: bool) -> None:
        """If `asks`, ssh may prompt on the terminal."""
        if not shutil.which("ssh", path=here.environ.get("PATH")):
            raise Failed("the local machine has no ssh", "install it, or remove `transport`")
        self._here = here
        self._address = address
        self.typed = ssh_settings.typed(address)
        self._wires: list[OpensshProcess] = []
        self._folder = _private_folder(here.environ.get("XDG_RUNTIME_DIR", ""))
        # After Ctrl-C a thread may still be connecting; its ssh must end, too.
        atexit.register(self.close)
        self._socket = f"{self._folder}/ssh"
        self._log = f"{self._folder}/log"
        try:
            self._config = ssh_settings.read(address, here)
            self._open(asks)
        except BaseException:
            self.close()
            raise

    def start(self, command: str) -> RemoteProcess:
        wire = self.start_silent(command)
        try:
            wire.await_begin()
        except BaseException:
            wire.close()
            self._wires.remove(wire)
            raise
        return wire

    def start_silent(self, command: str) -> OpensshProcess:
        wire = OpensshProcess(self._here.child(self._over("-T", command=command)))
        self._wires.append(wire)
        return wire

    def hand_over(self, command: str) -> int:
        if sys.stdin.isatty() and sys.stdout.isatty():
            checked = shell_command(f"test -t 0 || exit {_NO_TERMINAL}\n{command}")
            argv = self._over("-tt", "-E", self._log, command=checked)
            code = self._here.hand_over(argv)
            if code == _NO_TERMINAL and self._gives_no_terminal():
                raise connection_errors.no_terminal()
        else:
            code = self._here.lend(self._over("-T", "-E", self._log, command=command))
        self._check_end(code)
        return code

    def relay(self, command: str, out: Sink, err: Sink) -> int:
        code = self._here.relay(self._over("-T", "-E", self._log, command=command), out, err)
        self._check_end(code)
        return code

    def carry(self, command: str, connection: socket.socket) -> tuple[int, bytes]:
        done = self._here.carry(self._over("-T", command=command), connection)
        if done.code == _FAILED and _ONE_TOO_MANY in done.err:
            raise connection_errors.too_many()
        if done.code == _FAILED and not self.lives():
            raise connection_errors.lost()
        return done.code, done.err

    def _check_end(self, code: int) -> None:
        """Raise an error if ssh itself exited with `code`."""
        said = self._read_log()
        if code == _FAILED and _ONE_TOO_MANY.decode() in said:
            raise connection_errors.too_many()
        if code == _FAILED and not self.lives():
            raise connection_errors.lost()

    def _gives_no_terminal(self) -> bool:
        """Return True if the server runs programs but provides no terminal."""
        argv = self._over("-tt", command=shell_command("test -t 0"))
        return self._here.read(argv, timeout=_START_SECONDS).code == 1

    def close(self) -> None:
        if os.path.exists(self._socket):
            with contextlib.suppress(RepomanError):
                self._here.read(self._over("-O", "exit"), timeout=_LOCAL_SECONDS)
        for wire in self._wires:
            wire.close()
        self._wires.clear()
        self._here.close()
        shutil.rmtree(self._folder, ignore_errors=True)
        atexit.unregister(self.close)

    def _open(self, asks: bool) -> None:
        master = ("-M", "-N", "-f", "-S", self._socket)
        if asks:  # on the terminal
            argv = self._argv(*master, "-E", self._log, ControlPersist=_PERSIST)
            code = self._here.hand_over(argv)
            said = self._read_log()
            if code < 0:
                raise Interrupted("interrupted")
        else:
            argv = self._argv(*master, ControlPersist=_PERSIST, BatchMode="yes")
            done = self._here.read(argv, timeout=_LOGIN_SECONDS, max_bytes=_MOST_SAID)
            code, said = done.code, done.err.decode(errors="replace")
        if code:
            raise self._failure(said)

    def _argv(self, *flags: str, **options: str) -> list[str]:
        """Return the argv of an ssh that makes its own connection."""
        argv = ["ssh", "-x", *flags]
        limit = str(self._config.connect_timeout or _CONNECT_SECONDS)
        for option, value in {**_OPTIONS, "ConnectTimeout": limit, **options}.items():
            argv += ["-o", f"{option}={value}"]
        return [*argv, *ssh_settings.target(self._address)]

    def _over(self, *flags: str, command: str = "") -> list[str]:
        """Return the argv of an ssh that uses the master, and fails if that has ended.

        It reads no configuration. The agent is forwarded if the master's configuration says so.
        """
        argv = ["ssh", "-F", "none", "-A", "-e", "none", "-S", self._socket]
        argv += ["-o", "ProxyCommand=false", *flags, "--", self._address.name]
        return [*argv, command] if command else argv

    def lives(self) -> bool:
        check = self._over("-O", "check")
        return self._here.read(check, timeout=_LOCAL_SECONDS).code == 0

    def _read_log(self) -> str:
        """Return ssh's log and delete it."""
        try:
            with open(self._log, encoding="utf-8", errors="replace") as file:
                said = file.read(_MOST_SAID)
            os.unlink(self._log)
        except OSError:
            return ""
        return said

    def _failure(self, said: str) -> RepomanError:
        """Return the reason for a failed connection from ssh's messages.

        If they do not tell, run ssh once more with -v: only then it prints an unknown host key, and
        the gateway's name.
        """
        typed = ssh_settings.typed(self._address)
        where = f"{self._config.hostname}, port {self._config.port}"
        found = _reason(said, typed, where)
        if found is None:
            flags = ("-v", "-S", "none", "-T")
            argv = self._argv(*flags, BatchMode="yes", StrictHostKeyChecking="yes")
            again = self._here.read([*argv, "true"], timeout=_LOGIN_SECONDS, max_bytes=_MOST_SAID)
            found = _reason(again.err.decode(errors="replace"), typed, where)
        lines = said.strip().splitlines() or ["ssh gave no reason"]
        return found or connection_errors.no_connection(where, lines[-1].rstrip("."), typed)


_LONGEST_BASE = 50
"""A socket's path has at most 107 bytes (unix(7)); ssh appends to it for a temporary one."""


def _private_folder(runtime: str) -> str:
    """Create a private folder, in `runtime` if that is usable, else in /tmp."""
    usable = os.path.isabs(runtime) and os.access(runtime, os.W_OK | os.X_OK)
    base = runtime if usable and len(os.fsencode(runtime)) <= _LONGEST_BASE else "/tmp"
    try:
        return tempfile.mkdtemp(prefix="repoman-", dir=base)
    except OSError as error:
        raise Failed(f"{base} can't be written, and ssh needs a socket there", str(error)) from None


def _reason(said: str, typed: str, where: str) -> RepomanError | None:
    """Return the error that ssh's messages report, None if they do not tell."""
    if "Host key verification failed" in said:
        return _key_refused(said, typed, where)
    if found := re.search(r"Could not resolve hostname (\S+): (Temporary failure)?", said):
        return connection_errors.unknown_host(found[1], unsure=bool(found[2]))
    if found := re.search(r"^(\S+)@(\S+): Permission denied", said, re.MULTILINE):
        return connection_errors.denied(found[1], found[2], typed)
    if found := re.search(r"connect to host (\S+) port (\d+):", said):
        where = f"{found[1]}, port {found[2]}"
    if "Connection refused" in said:
        return connection_errors.refused(where)
    if "timed out" in said:
        return connection_errors.no_answer(where)
    return None


def _key_refused(said: str, typed: str, where: str) -> RepomanError | None:
    if found := re.search(r"host key for (\S+) is marked as revoked", said):
        return connection_errors.key_revoked(found[1])
    changed = re.search(r"sent by the remote host is\s+(\S+?)\.?\s", said)
    if changed and (found := re.search(r"host key for (\S+) has changed", said, re.IGNORECASE)):
        return connection_errors.key_changed(found[1], changed[1], typed)
    keys = re.findall(r"Server host key: (\S+ \S+)", said)
    if not keys:
        return None
    if found := re.search(r"host key is known for (\S+) and", said):
        where = found[1]
    elif gates := re.findall(r"Connecting to (\S+) \[\S+\] port (\d+)", said):
        host, port = gates[-1]
        where = host if port == "22" else f"[{host}]:{port}"
    return connection_errors.key_unknown(where, keys[-1], typed)


class OpensshProcess(RemoteProcess):
    """A program on the remote host, over the master's connection."""

    def __init__(self, child: Child) -> None:
        self._child = child
        self._early: tuple[bytes, bytes] | None = None
        self._first_said: bytes | None = b""
        """Standard error before the first output."""

    def await_begin(self) -> None:
        """Wait for the first output, which repoman's shells print at once.

        Raise TooManySessions if the server allows no more sessions.
        """
        deadline = time.monotonic() + _START_SECONDS
        out, err = b"", b""
        while not out:
            came = self._child.receive(_POLL_SECONDS)
            if came is None:
                if _ONE_TOO_MANY in err:
                    raise connection_errors.too_many()
                break  # `receive` raises
            out, err = out + came[0], (err + came[1])[-_MOST_SAID:]
            if time.monotonic() > deadline:
                raise Failed("it starts no program", "look at its sshd")
        self._early = out, err

    def send(self, data: bytes) -> None:
        try:
            self._child.send(data)
        except OSError:
            raise connection_errors.lost() from None

    def receive(self, seconds: float) -> tuple[bytes, bytes]:
        early, self._early = self._early, None
        came = early if early is not None else self._child.receive(seconds)
        if came is None:
            if _ONE_TOO_MANY in (self._first_said or b""):
                raise connection_errors.too_many()
            raise connection_errors.lost()
        if self._first_said is not None:
            self._first_said = None if came[0] else (self._first_said + came[1])[-_MOST_SAID:]
        return came

    def end_input(self) -> None:
        self._child.end_input()

    def close(self) -> None:
        self._child.close()

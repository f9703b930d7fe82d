"""An estate behind a real sshd, so that the same tests run over SSH."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from repoman_tasks.hosts.local import LocalHost
from repoman_tasks.hosts.ssh.fabric_transport import FabricTransport
from repoman_tasks.hosts.ssh.openssh_transport import OpensshTransport
from repoman_tasks.hosts.ssh.transport import SSHTransport
from repoman_tasks.model import Address
from tests.support.estate import CHECKOUT, INV, Estate, Result, isolate_environ, run
from tests.support.json_schemas import check_json
from tests.support.processes import WAIT_SECONDS, find_descendants, wait_until

__all__ = ["NETCAT", "RemoteEstate", "Sshd", "install_ssh", "make_key", "make_line"]

_SSHD = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin") or "sshd"
USER_NAME = pwd.getpwuid(os.geteuid()).pw_name


def install_ssh(home: Path) -> Path:
    """Install an `ssh` whose user has the home `home`, and return its folder.

    The real one reads the home from /etc/passwd.
    """
    ssh = home / ".ssh"
    ssh.mkdir(parents=True, exist_ok=True)
    config = ssh / "tests.config"
    config.write_text(f"Include {ssh}/config\nHost *\n  UserKnownHostsFile {ssh}/known_hosts\n")
    program = ssh / "bin/ssh"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec /usr/bin/ssh -F {config} "$@"\n')
    program.chmod(0o755)
    return program.parent


def make_line(address: Address, transport: str) -> SSHTransport:
    """Return a connection to a host, without a terminal to prompt on."""
    if transport == "openssh":
        return OpensshTransport(address, LocalHost(), asks=False)
    return FabricTransport(address, LocalHost(), None)


def make_key(path: Path) -> Path:
    """Create a key without a passphrase and return the path of its public part."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)
    return path.with_name(f"{path.name}.pub")


NETCAT = """#!/usr/bin/env python3
import os, socket, sys, threading
line = socket.create_connection((sys.argv[1], int(sys.argv[2])))
def take():
    while data := line.recv(65536):
        os.write(1, data)
    os._exit(0)
threading.Thread(target=take).start()
while data := os.read(0, 65536):
    line.sendall(data)
os._exit(0)
"""
"""A program that connects its streams to a host and a port, as `nc HOST PORT` does."""


class Sshd:
    """An sshd on loopback that lets this user in. A context manager."""

    def __init__(
        self,
        folder: Path,
        *options: str,
        address: str = "127.0.0.1",
        prefix: Sequence[str] = (),
    ) -> None:
        """Start it. `options` are lines for sshd_config; `prefix` is an argv prefix that enters the
        network namespace of `address`."""
        self.folder = folder
        self.address = address
        self.host_public_key = make_key(folder / "host_key")
        self.login_key = make_key(folder / "login").with_suffix("")
        self.authorized = folder / "authorized_keys"
        self.set_session_environ({})
        lines = (
            f"ListenAddress {address}",
            f"HostKey {folder}/host_key",
            f"AuthorizedKeysFile {self.authorized}",
            *("StrictModes no", "UsePAM no", "PidFile none", "PermitUserEnvironment yes"),
            *("PasswordAuthentication no", "KbdInteractiveAuthentication no", *options),
            "MaxStartups 100",  # however slow each login is
        )
        config = folder / "sshd_config"
        config.write_text("".join(f"{line}\n" for line in lines))
        if os.geteuid() == 0:  # sshd of root changes to this folder before authentication
            Path("/run/sshd").mkdir(exist_ok=True)
        self._argv = [*prefix, _SSHD, "-D", "-e", "-f", str(config)]
        while not self._listens():
            assert "already in use" in self._read_log(), self._read_log()

    def _listens(self) -> bool:
        """Start sshd on a free port; return False if another process took the port meanwhile."""
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        with open(self.folder / "log", "wb") as log:
            argv = [*self._argv, "-p", str(self.port)]
            self._process = subprocess.Popen(argv, stderr=log, start_new_session=True)
        # A connection would prove nothing: another sshd may listen there.
        wait_until(
            lambda: "Server listening" in self._read_log() or self._process.poll() is not None
        )
        return "Server listening" in self._read_log()

    def _read_log(self) -> str:
        return (self.folder / "log").read_text()

    def set_session_environ(self, environ: Mapping[str, str]) -> None:
        """Set the environment of all sessions that start from now on."""
        pairs = (f"{name}={value}".replace('"', '\\"') for name, value in environ.items())
        options = ",".join(f'environment="{pair}"' for pair in pairs)
        key = self.login_key.with_name("login.pub").read_text()
        draft = self.folder / "authorized_keys.draft"  # another process may log in at this moment
        draft.write_text(f"{options} {key}" if options else key)
        draft.replace(self.authorized)

    def find_sessions(self) -> list[int]:
        """Return the processes that serve a connection."""
        listener = self._process.pid
        children = Path(f"/proc/{listener}/task/{listener}/children").read_text().split()
        return [int(pid) for pid in children]

    def kill_connections(self) -> None:
        """Break each connection, without killing what runs over it."""
        sessions = self.find_sessions()  # unless root logs in, each has a child that serves it
        for pid in [*sessions, *find_descendants(sessions)]:
            with contextlib.suppress(OSError):
                if Path(f"/proc/{pid}/comm").read_text().startswith("sshd"):
                    os.kill(pid, signal.SIGKILL)

    def count_logins(self) -> int:
        """Return the number of logins so far."""
        return self._read_log().count("Accepted publickey")

    def known_hosts_line(self) -> str:
        """Return the line for known_hosts."""
        return f"[{self.address}]:{self.port} {self.host_public_key.read_text()}"

    def config_stanza(self, name: str, *more: str) -> str:
        """Return the lines of ssh_config that define the host `name`."""
        who = (f"HostName {self.address}", f"Port {self.port}", f"User {USER_NAME}")
        lines = (*who, f"IdentityFile {self.login_key}", "IdentitiesOnly yes", *more)
        return f"Host {name}\n" + "".join(f"  {line}\n" for line in lines)

    def __enter__(self) -> Sshd:
        return self

    def __exit__(self, *error: object) -> None:
        self._process.kill()
        self._process.wait()


class RemoteEstate(Estate):
    """An estate on another host: commands are typed on this machine, in another home."""

    def __init__(self, base: Path, transport: str = "fabric", *options: str) -> None:
        """`options` are lines for sshd_config."""
        super().__init__(base)
        self._client_variables: dict[str, str] = {}
        self.ssh = Path(tempfile.mkdtemp(prefix="repoman-ssh-"))
        self._created.append(self.ssh)
        self.sshd = Sshd(self.ssh, *options)
        self.laptop = self.ssh / "laptop"
        (self.laptop / ".ssh").mkdir(parents=True)
        (self.laptop / ".ssh/config").write_text(self.sshd.config_stanza("there"))
        (self.laptop / ".ssh/known_hosts").write_text(self.sshd.known_hosts_line())
        self._path = f"{install_ssh(self.laptop)}:{os.environ['PATH']}"
        self.use_transport(transport)

    host_flag = " --host there"

    def use_transport(self, transport: str) -> None:
        """Connect by this transport from now on."""
        registry = self.laptop / ".config/repoman/repoman.toml"
        registry.parent.mkdir(parents=True, exist_ok=True)
        names = ("there", "nas", "down")
        registry.write_text("".join(f'hosts.{n}.transport = "{transport}"\n' for n in names))

    def close(self) -> None:
        self.sshd.__exit__()
        super().close()

    def run(
        self,
        *argv: str | bytes,
        environ: Mapping[str, str] | None = None,
        cwd: Path | None = None,  # noqa: ARG002  # remote commands have no local folder
        given: str = "",
        timeout: float = WAIT_SECONDS,
        code: int | None = None,
    ) -> Result:
        """Run `repoman` on this machine for the remote estate; `environ` is set on the remote
        side."""
        self.sshd.set_session_environ({**self.environ, **(environ or {})})
        done = run(
            [*self.argv, *argv], self.client_environ, cwd=self.laptop, given=given, timeout=timeout
        )
        assert code is None or done.code == code, f"{argv}: {done}"
        check_json(argv, done.out)
        return done

    @property
    def client_variables(self) -> dict[str, str]:
        return self._client_variables

    @property
    def client_environ(self) -> dict[str, str]:
        added = {"PATH": self._path, "REPOMAN_HOST": "there", **self._client_variables}
        return {**isolate_environ(self.laptop), **added}

    def prepare_client(self) -> tuple[dict[str, str], Path]:
        self.sshd.set_session_environ(self.environ)
        return self.client_environ, self.laptop

    def inv(self, *argv: str, environ: Mapping[str, str] | None = None) -> Result:
        """Run `inv` in the checkout on this machine, for the remote estate."""
        self.sshd.set_session_environ({**self.environ, **(environ or {})})
        return run([str(INV), *argv], self.client_environ, cwd=CHECKOUT)

"""An estate on the other side of a real sshd: the same tests, with the same words, over SSH."""

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
from repoman_tasks.hosts.ssh.fabric_transport import FabricLine
from repoman_tasks.hosts.ssh.openssh_transport import OpensshLine
from repoman_tasks.hosts.ssh.transport import Line
from repoman_tasks.model import Address
from tests.support.contract import hold
from tests.support.estate import CHECKOUT, INV, Estate, Result, guarded, run
from tests.support.processes import PATIENCE, descendants, until

__all__ = ["FarEstate", "Sshd", "line_to", "new_key", "ssh_of"]

_SSHD = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin") or "sshd"
ME = pwd.getpwuid(os.geteuid()).pw_name


def ssh_of(home: Path) -> Path:
    """A folder with an `ssh` whose person lives at `home`; it looks in /etc/passwd otherwise."""
    ssh = home / ".ssh"
    ssh.mkdir(parents=True, exist_ok=True)
    settings = ssh / "settings"
    settings.write_text(f"Include {ssh}/config\nHost *\n  UserKnownHostsFile {ssh}/known_hosts\n")
    program = ssh / "bin/ssh"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec /usr/bin/ssh -F {settings} "$@"\n')
    program.chmod(0o755)
    return program.parent


def line_to(address: Address, transport: str) -> Line:
    """A connection to a host, where nobody can be asked."""
    if transport == "openssh":
        return OpensshLine(address, LocalHost(), asks=False)
    return FabricLine(address, LocalHost(), None)


def new_key(path: Path) -> Path:
    """Make a key without a passphrase; the path of its public part."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)
    return path.with_name(f"{path.name}.pub")


class Sshd:
    """An sshd on loopback that lets this user in. It is a context manager."""

    def __init__(
        self,
        folder: Path,
        *options: str,
        address: str = "127.0.0.1",
        before: Sequence[str] = (),
    ) -> None:
        """`options` are lines for its sshd_config; `before` are words by which it is at `address`,
        where that is elsewhere."""
        self.folder = folder
        self.address = address
        self.public = new_key(folder / "host_key")
        self.login = new_key(folder / "login").with_suffix("")
        self.authorized = folder / "authorized_keys"
        self.let_in({})
        lines = (
            f"ListenAddress {address}",
            f"HostKey {folder}/host_key",
            f"AuthorizedKeysFile {self.authorized}",
            *("StrictModes no", "UsePAM no", "PidFile none", "PermitUserEnvironment yes"),
            *("PasswordAuthentication no", "KbdInteractiveAuthentication no", *options),
            "MaxStartups 100",  # however long each of them takes to log in
        )
        config = folder / "sshd_config"
        config.write_text("".join(f"{line}\n" for line in lines))
        if os.geteuid() == 0:  # where sshd of root goes before it knows who is there
            Path("/run/sshd").mkdir(exist_ok=True)
        self._words = [*before, _SSHD, "-D", "-e", "-f", str(config)]
        while not self._listens():
            assert "already in use" in self._said(), self._said()

    def _listens(self) -> bool:
        """Start it at a port that is free; false if somebody else took that meanwhile."""
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        with open(self.folder / "log", "wb") as log:
            argv = [*self._words, "-p", str(self.port)]
            self._process = subprocess.Popen(argv, stderr=log, start_new_session=True)
        # That somebody answers there is no sign: it may be another sshd.
        until(lambda: "Server listening" in self._said() or self._process.poll() is not None)
        return "Server listening" in self._said()

    def _said(self) -> str:
        return (self.folder / "log").read_text()

    def let_in(self, environ: Mapping[str, str]) -> None:
        """Give the sessions to come this environment."""
        pairs = (f"{name}={value}".replace('"', '\\"') for name, value in environ.items())
        options = ",".join(f'environment="{pair}"' for pair in pairs)
        key = self.login.with_name("login.pub").read_text()
        draft = self.folder / "authorized_keys.draft"  # somebody may log in at this moment
        draft.write_text(f"{options} {key}" if options else key)
        draft.replace(self.authorized)

    def sessions(self) -> list[int]:
        """The processes that serve a connection."""
        listener = self._process.pid
        children = Path(f"/proc/{listener}/task/{listener}/children").read_text().split()
        return [int(pid) for pid in children]

    def cut(self) -> None:
        """Break each connection that there is, and leave alone what runs over it."""
        first = self.sessions()  # of somebody who is not root each has a child that serves it
        for pid in [*first, *descendants(first)]:
            with contextlib.suppress(OSError):
                if Path(f"/proc/{pid}/comm").read_text().startswith("sshd"):
                    os.kill(pid, signal.SIGKILL)

    def logins(self) -> int:
        """How often somebody was let in."""
        return self._said().count("Accepted publickey")

    def known(self) -> str:
        """The line for known_hosts."""
        return f"[{self.address}]:{self.port} {self.public.read_text()}"

    def stanza(self, name: str, *more: str) -> str:
        """The lines of ssh_config by which it is called `name`."""
        who = (f"HostName {self.address}", f"Port {self.port}", f"User {ME}")
        lines = (*who, f"IdentityFile {self.login}", "IdentitiesOnly yes", *more)
        return f"Host {name}\n" + "".join(f"  {line}\n" for line in lines)

    def __enter__(self) -> Sshd:
        return self

    def __exit__(self, *error: object) -> None:
        self._process.kill()
        self._process.wait()


class FarEstate(Estate):
    """An estate whose commands are typed on another machine, with another home."""

    def __init__(self, base: Path, transport: str = "fabric", *options: str) -> None:
        """`options` are lines for its sshd_config."""
        super().__init__(base)
        self._own: dict[str, str] = {}
        self.ssh = Path(tempfile.mkdtemp(prefix="repoman-ssh-"))
        self._made.append(self.ssh)
        self.sshd = Sshd(self.ssh, *options)
        self.laptop = self.ssh / "laptop"
        (self.laptop / ".ssh").mkdir(parents=True)
        (self.laptop / ".ssh/config").write_text(self.sshd.stanza("there"))
        (self.laptop / ".ssh/known_hosts").write_text(self.sshd.known())
        self._path = f"{ssh_of(self.laptop)}:{os.environ['PATH']}"
        registry = self.laptop / ".config/repoman/repoman.toml"
        registry.parent.mkdir(parents=True)
        names = ("there", "nas", "down")
        registry.write_text("".join(f'hosts.{n}.transport = "{transport}"\n' for n in names))

    host_flag = " --host there"

    def close(self) -> None:
        self.sshd.__exit__()
        super().close()

    def run(
        self,
        *argv: str | bytes,
        environ: Mapping[str, str] | None = None,
        cwd: Path | None = None,  # noqa: ARG002  # nobody stands there
        given: str = "",
        timeout: float = PATIENCE,
        code: int | None = None,
    ) -> Result:
        """Run `repoman` here for the estate there; `environ` is that of the other side."""
        self.sshd.let_in({**self.environ, **(environ or {})})
        typed = [*self.argv, *argv]
        done = run(typed, self.here, cwd=self.laptop, given=given, timeout=timeout)
        assert code is None or done.code == code, f"{argv}: {done}"
        hold(argv, done.out)
        return done

    @property
    def own(self) -> dict[str, str]:
        return self._own

    @property
    def here(self) -> dict[str, str]:
        mine = {"PATH": self._path, "REPOMAN_HOST": "there", **self._own}
        return {**guarded(self.laptop), **mine}

    def desk(self) -> tuple[dict[str, str], Path]:
        self.sshd.let_in(self.environ)
        return self.here, self.laptop

    def inv(self, *argv: str, environ: Mapping[str, str] | None = None) -> Result:
        """Run `inv` in the checkout here, for the estate there."""
        self.sshd.let_in({**self.environ, **(environ or {})})
        return run([str(INV), *argv], self.here, cwd=CHECKOUT)

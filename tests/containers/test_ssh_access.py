"""ssh, scp, sftp and rsync into a container, by `ssh-config`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.containers.conftest import BY_SSH, ContainerEstate, RemoteContainerEstate
from tests.support.estate import Result, run
from tests.support.lent_programs import lend_sshd
from tests.support.ssh_estate import install_ssh


class Client:
    """The programs of ssh, for a person with this home."""

    def __init__(self, home: Path, environ: Mapping[str, str], repoman: tuple[str, ...]) -> None:
        self.home = home
        self.config = home / ".ssh/tests.config"
        if not self.config.exists():
            install_ssh(home)
        self.environ = {**environ, "REPOMAN_HOST": ""}
        self._repoman = repoman

    def run(self, *argv: str, code: int = 0, given: str = "") -> Result:
        """Run one of ssh's programs, or rsync, with the configuration of this home."""
        program, *rest = argv
        config = str(self.config)
        words = (
            [program, "-e", f"/usr/bin/ssh -F {config}", *rest]
            if program == "rsync"
            else [f"/usr/bin/{program}", "-F", config, *rest]
        )
        done = run(words, self.environ, cwd=self.home, given=given)
        assert done.code == code, done
        return done

    def repoman(self, *argv: str, code: int = 0) -> Result:
        """Run `repoman` on this side."""
        done = run([*self._repoman, *argv], self.environ, cwd=self.home)
        assert done.code == code, done
        return done


@pytest.fixture
def isurus(estate: ContainerEstate) -> ContainerEstate:
    """Return an estate with the project isurus, whose container has an sshd that is not started."""
    if "isurus" not in estate.projects():
        estate.new("isurus", "--image=debian")
        lend_sshd(estate, "isurus")
    return estate


@pytest.fixture
def client(isurus: ContainerEstate) -> Client:
    made = Client(isurus.home, isurus.environ, isurus.argv)
    made.repoman("ssh-config", "install", "--yes")
    return made


def check_all_programs(client: Client, host: str, repo: Path) -> None:
    """Run each program to and from the container called `host`."""
    shown = client.run("ssh", host, "id -un; echo $HOME; echo [$SSH_AUTH_SOCK]; cat").out
    assert shown.split()[0] == client.run("ssh", host, "id", "-un").out.strip()
    assert "[]" in shown
    assert client.run("ssh", host, "sh", "-c", "'exit 7'", code=7)
    assert client.run("ssh", host, "cat", given="from here\n").out == "from here\n"
    data = client.home / "data"
    data.write_bytes(os.urandom(1 << 20))
    client.run("scp", "-q", str(data), f"{host}:{repo}/by scp")
    assert (repo / "by scp").read_bytes() == data.read_bytes()
    (repo / "by scp").rename(repo / "old-scp")
    client.run("scp", "-q", "-O", f"{host}:{repo}/old-scp", str(data) + ".back")
    assert (client.home / "data.back").read_bytes() == data.read_bytes()
    batch = f'put "{data}" "{repo}/by sftp"\nget "{repo}/by sftp" "{data}.sftp"\n'
    client.run("sftp", "-q", "-b", "-", host, given=batch)
    assert (client.home / "data.sftp").read_bytes() == data.read_bytes()
    client.run("rsync", str(data), f"{host}:{repo}/by-rsync")
    assert (repo / "by-rsync").read_bytes() == data.read_bytes()
    assert {path.stat().st_uid for path in repo.glob("by*")} == {os.getuid()}


@pytest.mark.shared
@pytest.mark.local_only("ssh is the client's")
def test_every_program(isurus: ContainerEstate, client: Client) -> None:
    check_all_programs(client, "isurus.repoman", isurus.local_repos / "isurus")
    listening = isurus.exec_inside("isurus", "cat", "/proc/net/tcp", "/proc/net/tcp6").out
    assert ":0016 " not in listening
    known = isurus.home / ".local/state/repoman/ssh/known_hosts"
    before = known.read_text()
    client.run("ssh", "ISURUS.repoman", "true", code=255)  # names are those of the registry
    isurus.run("restart", "isurus", code=0)
    client.run("ssh", "isurus.repoman", "true")
    assert known.read_text() != before, "the key is new after a restart"
    assert len(known.read_text().splitlines()) == len(before.splitlines())


@pytest.mark.shared
@pytest.mark.local_only("ssh is the client's")
def test_who_is_not_let_in(client: Client) -> None:
    """Another user than yours, another key, another host key; and no agent comes along."""
    done = client.run("ssh", "-l", "root", "isurus.repoman", "true", code=255)
    assert "the user of isurus is dev, and not root: run `ssh dev@isurus.repoman`" in done.err
    other = client.home / "other"
    if not other.exists():
        run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(other)], client.environ)
    key = client.home / ".local/state/repoman/ssh/key"
    kept = key.read_bytes()
    key.write_bytes(other.read_bytes())
    try:
        client.run("ssh", "isurus.repoman", "true", code=255)
    finally:
        key.write_bytes(kept)
    client.run("ssh", "isurus.repoman", "true")
    done = client.run("ssh", "nobody.repoman", "true", code=255)
    assert "no project is called 'nobody'" in done.err


@pytest.mark.shared
@pytest.mark.local_only("ssh is the client's")
def test_a_stopped_container_and_a_host_key_that_is_forged(
    isurus: ContainerEstate, client: Client
) -> None:
    isurus.run("stop", "isurus", code=0)
    done = client.run("ssh", "isurus.repoman", "echo", "hello")
    assert (done.out, done.err) == ("hello\n", "starting isurus\n")
    forge = "mv /usr/bin/ssh-keygen /k; printf '%s\\n' '#!/bin/sh' 'echo \"evil ssh-ed25519 x\"'"
    script = f"{forge} >/usr/bin/ssh-keygen; chmod +x /usr/bin/ssh-keygen"
    isurus.exec_inside("isurus", "sh", "-c", script)
    done = client.run("ssh", "isurus.repoman", "true", code=255)
    assert "sshd in isurus has no usable host key" in done.err
    known = isurus.home / ".local/state/repoman/ssh/known_hosts"
    assert "evil" not in known.read_text()
    isurus.exec_inside("isurus", "mv", "-f", "/k", "/usr/bin/ssh-keygen")


def test_an_image_without_sshd(estate: ContainerEstate) -> None:
    estate.new("isurus")
    client = Client(estate.home, estate.environ, estate.argv)
    client.repoman("ssh-config", "install", "--yes")
    done = client.run("ssh", "isurus.repoman", "true", code=255)
    assert "there is no sshd in isurus: install it, for example `repoman exec isurus" in done.err


@pytest.mark.parametrize("transport", BY_SSH)
def test_a_container_on_another_host(shared_estate: RemoteContainerEstate, transport: str) -> None:
    estate = shared_estate
    estate.use_transport(transport)
    if not estate.registry.exists():
        estate.setup()
    if "isurus" not in estate.projects():
        estate.new("isurus", "--image=debian")
        lend_sshd(estate, "isurus")
    estate.sshd.set_session_environ(estate.environ)
    client = Client(estate.laptop, estate.client_environ, estate.argv)
    client.repoman("ssh-config", "install", "--yes")
    check_all_programs(client, "isurus.there.repoman", estate.local_repos / "isurus")

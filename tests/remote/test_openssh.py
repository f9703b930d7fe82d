"""The system's ssh as the transport."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pexpect  # type: ignore[import-untyped]
import pytest

from tests.remote.test_commands import slow
from tests.support.estate import run
from tests.support.processes import WAIT_SECONDS, find_processes, find_sleeps, wait_until
from tests.support.ssh_estate import NETCAT, RemoteEstate
from tests.support.terminals import spawn


@pytest.fixture
def transport() -> str:
    """Return `openssh` alone."""
    return "openssh"


@pytest.fixture
def far(tmp_path: Path, transport: str) -> Iterator[RemoteEstate]:
    """Return a remote estate with the project isurus; sockets on this side are in `tmp_path`."""
    with RemoteEstate(tmp_path, transport) as made:
        made.prepare("isurus", "lamna")
        yield made


def runtime(far: RemoteEstate) -> Path:
    """Return a private folder for sockets."""
    folder = far.ssh / "run"
    folder.mkdir(exist_ok=True)
    return folder


def here(far: RemoteEstate) -> dict[str, str]:
    """Return the environment of the user who types."""
    far.sshd.set_session_environ(far.environ)
    return {**far.client_environ, "XDG_RUNTIME_DIR": str(runtime(far))}


def test_nothing_is_left_at_any_end(far: RemoteEstate) -> None:
    for argv, code in (
        (["list"], 0),
        (["remove", "nosuch", "--yes"], 2),
        (["list", "--host", "down"], 1),
    ):
        assert run([*far.argv, *argv], here(far)).code == code
        assert os.listdir(runtime(far)) == []
        assert not find_processes(str(far.ssh / "run"))


def test_after_a_kill_the_connection_ends_by_itself(far: RemoteEstate, marker: str) -> None:
    slow(far, marker)
    process = subprocess.Popen([*far.argv, "sync"], env=here(far))
    wait_until(lambda: find_processes(marker))
    process.kill()
    process.wait()
    wait_until(lambda: not find_processes(marker))
    wait_until(lambda: not find_processes(str(far.ssh / "run")))
    assert not list(runtime(far).glob("*/*"))


def test_settings_that_are_in_the_way_do_not_hold(far: RemoteEstate) -> None:
    """The user's own master connection is not used, and survives."""
    own = far.ssh / "own"
    more = (
        *("ControlMaster auto", f"ControlPath {own}", "ControlPersist yes"),
        *("RequestTTY force", "RemoteCommand echo no", "LogLevel QUIET"),
        *("LocalForward 1 127.0.0.1:1", "ExitOnForwardFailure yes", "SendEnv *"),
        *("PermitLocalCommand yes", f"LocalCommand touch {far.ssh}/touched"),
    )
    (far.laptop / ".ssh/config").write_text(far.sshd.config_stanza("there", *more))
    environ = here(far)
    plain = ["ssh", "-o", "RemoteCommand=none", "-o", "RequestTTY=no", "-o"]
    assert run([*plain, "ClearAllForwardings=yes", "there", "true"], environ).code == 0
    (far.ssh / "touched").unlink()
    accepted = far.sshd.count_logins()
    done = run([*far.argv, "sync"], environ)
    assert done.code == 0, done
    assert far.sshd.count_logins() == accepted + 1
    assert not (far.ssh / "touched").exists()
    assert run(["ssh", "-O", "check", "there"], environ).code == 0
    run(["ssh", "-O", "exit", "there"], environ)


def test_what_fabric_does_not_know(far: RemoteEstate) -> None:
    """Include, HostKeyAlias and ProxyCommand, and a key in an agent."""
    config = far.laptop / ".ssh/config"
    included = far.ssh / "included"
    included.write_text(
        far.sshd.config_stanza("there", "HostKeyAlias box", "ProxyCommand nc %h %p")
    )
    config.write_text(f"Include {included}\n")
    (far.laptop / ".ssh/known_hosts").write_text(f"box {far.sshd.host_public_key.read_text()}")
    nc = far.laptop / ".ssh/bin/nc"
    nc.write_text(NETCAT)
    nc.chmod(0o755)
    assert "isurus" in run([*far.argv, "list"], here(far)).out


def test_an_unknown_key_is_asked_about_on_a_terminal(far: RemoteEstate) -> None:
    known = far.laptop / ".ssh/known_hosts"
    known.write_text("")
    answers = (("no", "is not known, ssh-ed25519 SHA256:", 6), ("yes", "isurus", 0))
    for answer, shown, code in answers:
        child = spawn([*far.argv, "list"], here(far), far.laptop)
        child.expect("continue connecting")
        child.sendline(answer)
        child.expect(shown)
        child.expect(pexpect.EOF)
        child.close()
        assert child.exitstatus == code
    assert str(far.sshd.port) in known.read_text()


def test_ctrl_c_at_a_question(far: RemoteEstate) -> None:
    (far.laptop / ".ssh/known_hosts").write_text("")
    child = spawn([*far.argv, "list"], here(far), far.laptop)
    child.expect("continue connecting")
    child.sendintr()
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 130
    assert os.listdir(runtime(far)) == []


def test_a_missing_ssh_is_reported(far: RemoteEstate) -> None:
    done = run([*far.argv, "list"], {**here(far), "PATH": "/nonexistent"})
    assert done.code == 1
    assert "the local machine has no ssh" in done.err


def instead_of_ssh(far: RemoteEstate, script: str) -> dict[str, str]:
    """Return an environment in which `ssh` is another program."""
    programs = far.ssh / "programs"
    programs.mkdir()
    (programs / "ssh").write_text(f"#!/bin/sh\n{script}\n")
    (programs / "ssh").chmod(0o755)
    return {**here(far), "PATH": f"{programs}:{os.environ['PATH']}"}


def test_ctrl_c_while_several_are_connected_to(far: RemoteEstate, marker: str) -> None:
    environ = instead_of_ssh(far, f"exec sleep {marker}")
    argv = [*far.argv, "list", "--host", "there,nas"]
    process = subprocess.Popen(argv, env=environ, stderr=subprocess.PIPE)
    wait_until(lambda: len(find_sleeps(marker)) == 2)
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=WAIT_SECONDS)[1] == b"repoman: interrupted\n"
    assert process.returncode == 130
    wait_until(lambda: not find_processes(marker))
    assert os.listdir(runtime(far)) == []


@pytest.mark.parametrize("hosts", ["there", "there,nas"])
def test_an_ssh_that_dies_is_reported(far: RemoteEstate, hosts: str) -> None:
    done = run([*far.argv, "list", "--host", hosts], instead_of_ssh(far, "kill -KILL $$"))
    assert done.code == (4 if "," in hosts else 1)
    assert "ssh gave no reason" in done.err
    assert "Traceback" not in done.err


@pytest.mark.parametrize("folder", ["nowhere", "x" * 60])
def test_a_runtime_folder_that_is_of_no_use(far: RemoteEstate, folder: str) -> None:
    long = far.ssh / ("x" * 60)
    long.mkdir()
    environ = {**here(far), "XDG_RUNTIME_DIR": str(far.ssh / folder)}
    assert run([*far.argv, "list"], environ).code == 0
    assert os.listdir(long) == []

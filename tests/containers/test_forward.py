"""`forward`: connections from this machine to ports inside of a container."""

from __future__ import annotations

import os
import shlex
import signal
import socket
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.containers.conftest import BY_SSH, ContainerEstate, RemoteContainerEstate
from tests.support.forwarding import exchange, forwarding, serve
from tests.support.processes import WAIT_SECONDS, wait_until

DATA = os.urandom(3 << 20)


@pytest.fixture
def isurus(estate: ContainerEstate) -> ContainerEstate:
    """Return an estate with the project isurus, whose container has perl and runs."""
    if "isurus" not in estate.projects():
        estate.new("isurus", "--image=debian")
    estate.run("start", "isurus", code=0)
    return estate


def relays(estate: ContainerEstate) -> str:
    """Return the relays that run inside."""
    script = "grep -lsa 'my [(][$]missing' /proc/[0-9]*/cmdline"
    return estate.exec_inside("isurus", "sh", "-c", script).out


@pytest.mark.shared
@pytest.mark.over_ssh(*BY_SSH)
def test_whatever_address_the_server_listens_on(isurus: ContainerEstate) -> None:
    """From both addresses of loopback here, several at once, a large transfer, its end told."""
    serve(isurus, "isurus", 3000)
    serve(isurus, "isurus", 3001, "::1")
    with forwarding(isurus, "isurus", "3000:0", "3001:0", count=2) as running:
        first, second = running.ports[3000], running.ports[3001]
        with ThreadPoolExecutor(6) as clients:
            answers = [clients.submit(exchange, first, b"%d" % n * 1000) for n in range(6)]
            for number, answer in enumerate(answers):
                assert answer.result() == b"%d" % number * 1000 + b"\n1000"
        assert exchange(second, DATA) == DATA + b"\n%d" % len(DATA)
        assert exchange(first, b"", "::1") == b"\n0"
        with socket.create_connection(("127.0.0.1", first)) as open_one:
            open_one.sendall(b"x")
            assert open_one.recv(1) == b"x"
            assert relays(isurus)
            assert running.end() == 0
            assert open_one.recv(1) == b""
        assert "Traceback" not in running.said
        with pytest.raises(ConnectionRefusedError):
            exchange(first, b"")
    wait_until(lambda: not relays(isurus))
    assert isurus.findings() == {}


@pytest.mark.shared
def test_an_address_of_the_network_and_the_name_of_the_project(isurus: ContainerEstate) -> None:
    """The server is on the container's own address only. The repo's folder names the project."""
    shown = isurus.exec_inside("isurus", "sh", "-c", "ip -4 -o address show dev eth0")

    def address() -> str:
        shown = isurus.exec_inside("isurus", "ip", "-4", "-o", "address", "show", "dev", "eth0")
        return shown.out.partition("inet ")[2].partition("/")[0]

    assert shown.code == 0
    wait_until(lambda: bool(address()))
    serve(isurus, "isurus", 3002, address())
    with forwarding(isurus, "isurus", "3002:0") as running:
        port = running.ports[3002]
        assert exchange(port, b"hello") == b"hello\n5"
        shown_url = running.lines[0].split()[0]
        assert shown_url in (f"http://isurus.localhost:{port}", f"http://localhost:{port}")
    done = isurus.run("forward", "3002:99999", cwd=isurus.local_repos / "isurus")
    assert (done.code, "'3002:99999' is not a port" in done.err) == (2, True)
    done = isurus.run("forward", "isurus", "3000:8080", "3001:8080", code=2)
    assert "port 8080 was given twice" in done.err
    assert "forward needs a port" in isurus.run("forward", "isurus", code=2).err


@pytest.mark.shared
def test_a_port_that_is_in_use_here_and_the_cure(isurus: ContainerEstate) -> None:
    serve(isurus, "isurus", 3003)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = isurus.run("forward", "isurus", f"3003:{port}", code=1)
        assert f"port {port} of this machine is in use: " in done.err
        cure = done.err.split("`")[1]
        with forwarding(isurus, *shlex.split(cure)[2:]) as running:
            assert running.ports[3003] > port
            assert exchange(running.ports[3003], b"hello") == b"hello\n5"


@pytest.mark.shared
@pytest.mark.over_ssh
def test_no_server_and_a_container_that_is_stopped_meanwhile(isurus: ContainerEstate) -> None:
    """Each is said once, and the next connection finds what has come back."""
    with forwarding(isurus, "isurus", "3004:0") as running:
        port = running.ports[3004]
        assert exchange(port, b"hello") == exchange(port, b"again") == b""
        running.says("nothing listens on port 3004 in isurus\n")
        serve(isurus, "isurus", 3004)
        assert exchange(port, b"hello") == b"hello\n5"
        isurus.incus("stop", "--force", "isurus")
        assert exchange(port, b"hello") == b""
        running.says("isurus is stopped: run `repoman start isurus")
        cure = running.said.split("`")[1]
        isurus.run(*shlex.split(cure)[1:], code=0)
        assert exchange(port, b"hello") == b""
        wait_until(lambda: running.said.count("nothing listens") == 2)
        assert running.end(signal.SIGTERM) == 130


@pytest.mark.shared
def test_a_stopped_container_is_started(isurus: ContainerEstate) -> None:
    isurus.run("stop", "isurus", code=0)
    with forwarding(isurus, "isurus", "3005:0") as running:
        serve(isurus, "isurus", 3005)
        assert exchange(running.ports[3005], b"hello") == b"hello\n5"
    assert isurus.state("isurus") == "running"


def test_an_image_with_busybox_alone(estate: ContainerEstate) -> None:
    estate.new("isurus")
    listen = "busybox nc -ll -p 3000 -e cat </dev/null >/dev/null 2>&1 &"
    with forwarding(estate, "isurus", "3000:0") as running:
        port = running.ports[3000]
        assert exchange(port, b"") == b""
        running.says("nothing listens on port 3000")
        estate.exec_inside("isurus", "sh", "-c", listen)
        wait_until(lambda: exchange(port, b"hello") == b"hello")


@pytest.mark.shared
def test_an_image_with_neither_perl_nor_busybox(isurus: ContainerEstate) -> None:
    """Its perl can't, and it has no other program for that."""
    broken = "echo '#!/bin/sh' >/usr/local/bin/perl && chmod +x /usr/local/bin/perl"
    script = f"{broken} && echo exit 1 >>/usr/local/bin/perl"
    with forwarding(isurus, "isurus", "3008:0") as running:
        assert isurus.exec_inside("isurus", "sh", "-c", script).code == 0
        try:
            assert exchange(running.ports[3008], b"") == b""
            running.says(
                "isurus has no perl, python3 or busybox: install one, for example `repoman"
            )
        finally:
            isurus.exec_inside("isurus", "rm", "/usr/local/bin/perl")


@pytest.mark.parametrize("transport", BY_SSH)
def test_more_connections_than_the_server_allows_wait(tmp_path: Path, transport: str) -> None:
    with RemoteContainerEstate(tmp_path, transport, "MaxSessions 4") as estate:
        estate.setup()
        estate.new("isurus", "--image=debian")
        serve(estate, "isurus", 3000)
        with forwarding(estate, "isurus", "3000:0") as running:
            port = running.ports[3000]
            clients = [socket.create_connection(("127.0.0.1", port)) for _ in range(6)]
            running.says("some connections have to wait: ")
            for client in clients:
                client.shutdown(socket.SHUT_WR)
            for client in clients:
                client.settimeout(WAIT_SECONDS)
                assert client.recv(10) == b"\n0", running.said
                client.close()
            assert running.end() == 0


@pytest.mark.shared
@pytest.mark.local_only("the command that was killed is the client's")
def test_a_command_that_is_killed_leaves_nothing(isurus: ContainerEstate) -> None:
    """Neither in Incus nor inside, once who had connected is gone."""
    serve(isurus, "isurus", 3006)
    before = isurus.api("instances/isurus")["devices"]
    with forwarding(isurus, "isurus", "3006:0") as running:
        with socket.create_connection(("127.0.0.1", running.ports[3006])) as client:
            client.sendall(b"x")
            assert client.recv(1) == b"x"
            assert running.end(signal.SIGKILL) == -signal.SIGKILL
        wait_until(lambda: not relays(isurus))
    assert isurus.api("instances/isurus")["devices"] == before


def test_dry_listens_nowhere(estate: ContainerEstate) -> None:
    estate.new("isurus")
    done = subprocess.run(
        [*estate.argv, "--dry", "forward", "isurus", "3000:0"],
        env=estate.environ,
        cwd=estate.home,
        capture_output=True,
        text=True,
        timeout=WAIT_SECONDS,
    )
    assert done.returncode == 0, done


@pytest.mark.shared
@pytest.mark.over_ssh
def test_whatever_root_inside_prints_is_bytes_here_and_one_line_there(
    isurus: ContainerEstate,
) -> None:
    """The program that should carry the connection is root's: who has connected gets its output,
    and the terminal the end of its errors, made visible."""
    errors = r"printf 'one\n\033[2J`repoman x`\033]0;t\007' >&2"
    says = rf"{errors}; printf 'a\0\033[2J'; sleep 0.05; exit 7"
    with forwarding(isurus, "isurus", "3007:0") as running:
        put = "printf '%s\\n' '#!/bin/dash' \"$1\" >/usr/local/bin/sh; chmod +x /usr/local/bin/sh"
        assert isurus.exec_inside("isurus", "sh", "-c", put, "sh", says).code == 0
        try:
            assert exchange(running.ports[3007], b"hello") == b"a\0\x1b[2J"
        finally:
            isurus.incus("exec", "isurus", "--", "/bin/rm", "/usr/local/bin/sh")
        running.says(r"ended early: \x1b[2J\x60repoman x\x60\x1b]0;t\x07")
        assert "one" not in running.said
        assert "\x1b" not in running.said

"""Programs that the local host answers itself, beside the real ones or a socket that misbehaves."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from repoman_tasks.errors import Failed, Interrupted
from repoman_tasks.hosts.base import TimedOut
from repoman_tasks.hosts.local import LocalHost
from repoman_tasks.tools.incus import Incus
from tests.support.processes import wait_until

OK = b"HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n"


class Daemon:
    """A socket that answers each request with `answer`, and keeps the requests."""

    def __init__(self, folder: Path, answer: Callable[[socket.socket], object]) -> None:
        self.path = folder / "unix.socket"
        self.requests: list[bytes] = []
        self._answer = answer
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.bind(str(self.path))
        self._socket.listen()

    def serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:  # closed
                return
            with connection:
                self.requests.append(_request(connection))
                with suppress(OSError):  # the other side has gone, as it should
                    self._answer(connection)

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


def _request(connection: socket.socket) -> bytes:
    came = b""
    while b"\r\n\r\n" not in came:
        came += connection.recv(1 << 16)
    head, _, body = came.partition(b"\r\n\r\n")
    missing = int(head.partition(b"Content-Length: ")[2] or 0) - len(body)
    while missing > 0:
        data = connection.recv(missing)
        came, missing = came + data, missing - len(data)
    return came


@contextmanager
def daemon(folder: Path, answer: Callable[[socket.socket], object]) -> Iterator[Daemon]:
    found = Daemon(folder, answer)
    thread = threading.Thread(target=found.serve)
    thread.start()
    try:
        yield found
    finally:
        found.close()
        thread.join()


def answers(metadata: object, error: str = "", code: int = 0) -> Callable[[socket.socket], object]:
    body = json.dumps({"error": error, "error_code": code, "metadata": metadata}).encode()
    return lambda connection: connection.sendall(
        OK + f"Content-Length: {len(body)}\r\n\r\n".encode() + body
    )


def host(folder: Path, program: str = "echo started >&2; exit 1", **environ: str) -> LocalHost:
    """Return a host with an `incus` that is this script."""
    path = folder / "bin"
    path.mkdir()
    (path / "incus").write_text(f"#!/bin/sh\n{program}\n")
    (path / "incus").chmod(0o755)
    found = {k: v for k, v in os.environ.items() if not k.startswith("INCUS_")}
    return LocalHost({**found, "PATH": f"{path}:{found['PATH']}", **environ})


def test_a_question_goes_to_the_socket(tmp_path: Path) -> None:
    with daemon(tmp_path, answers({"config": {"a": "ü"}})) as there:
        incus = Incus(host(tmp_path, INCUS_DIR=str(tmp_path)), "my project")
        assert incus.get(incus.at("instances", "a b"), 1) == {"config": {"a": "ü"}}
    line = b"GET /1.0/instances/a%20b?project=my%20project&recursion=1 HTTP/1.0\r\n"
    assert there.requests == [line + b"Host: incus\r\n\r\n"]


def test_a_change_goes_to_the_socket_with_its_body(tmp_path: Path) -> None:
    """It is larger than what a socket takes at once."""
    with daemon(tmp_path, answers({})) as there:
        incus = Incus(host(tmp_path, INCUS_DIR=str(tmp_path)), "repoman")
        body = {"description": "ü" * 8000, "config": {str(n): "x" * 1000 for n in range(40)}}
        incus.change("PUT", incus.at("instances", "a"), body)
    head, _, sent = there.requests[0].partition(b"\r\n\r\n")
    assert head.startswith(b"PUT /1.0/instances/a?project=repoman HTTP/1.0\r\n")
    assert json.loads(sent) == body


def test_an_error_of_the_daemon_is_told_as_ever(tmp_path: Path) -> None:
    with daemon(tmp_path, answers(None, "Database is locked", 500)):
        incus = Incus(host(tmp_path, INCUS_DIR=str(tmp_path)), "repoman")
        with pytest.raises(Failed, match="Incus says: Database is locked"):
            incus.get("/1.0")


def test_the_socket_is_the_one_of_the_client(tmp_path: Path) -> None:
    """INCUS_SOCKET has precedence, as in the client."""
    with daemon(tmp_path, answers({"a": 1})) as there:
        environ = {"INCUS_DIR": "/nonexistent", "INCUS_SOCKET": str(there.path)}
        assert Incus(host(tmp_path, **environ), "repoman").get("/1.0") == {"a": 1}


@pytest.mark.parametrize("what", ["missing", "closed", "a file"])
def test_without_a_daemon_the_program_says_why(tmp_path: Path, what: str) -> None:
    path = tmp_path / "unix.socket"
    if what == "closed":
        with socket.socket(socket.AF_UNIX) as left:
            left.bind(str(path))
    elif what == "a file":
        path.write_text("")
    program = 'echo "Error: The incus daemon doesn\'t appear to be started" >&2; exit 1'
    incus = Incus(host(tmp_path, program, INCUS_DIR=str(tmp_path)), "repoman")
    with pytest.raises(Failed, match="the Incus daemon does not run"):
        incus.get("/1.0")


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(OK, id="no body"),
        pytest.param(OK + b'Content-Length: 99\r\n\r\n{"metadata": {}}', id="half"),
    ],
)
def test_half_an_answer_is_none(tmp_path: Path, answer: bytes) -> None:
    with daemon(tmp_path, lambda connection: connection.sendall(answer)) as there:
        incus = Incus(host(tmp_path, INCUS_DIR=str(tmp_path)), "repoman")
        with pytest.raises(Failed, match="can't reach its daemon: unexpected end of the answer"):
            incus.change("POST", "/1.0/profiles", {})
    assert len(there.requests) == 1  # and is not sent again by the program


def test_an_answer_without_end_is_stopped(tmp_path: Path) -> None:
    def endless(connection: socket.socket) -> None:
        connection.sendall(OK + b"\r\n")
        while True:
            connection.sendall(b" " * 65536)

    with daemon(tmp_path, endless):
        incus = Incus(host(tmp_path, INCUS_DIR=str(tmp_path)), "repoman")
        with pytest.raises(Failed, match="incus printed more than 16777216 bytes"):
            incus.get("/1.0")


def test_a_daemon_that_does_not_answer(tmp_path: Path) -> None:
    gone = threading.Event()
    with daemon(tmp_path, lambda _: gone.wait()):
        local = host(tmp_path, INCUS_DIR=str(tmp_path))
        argv = ["incus", "query", "--force-local", "--raw", "-X", "GET", "local:/1.0"]
        with pytest.raises(TimedOut, match=r"incus did not answer within 0\.3 s"):
            local.read(argv, timeout=0.3)
        gone.set()


def test_a_question_of_another_thread_ends_with_the_host(tmp_path: Path) -> None:
    gone = threading.Event()
    ended: list[BaseException] = []
    with daemon(tmp_path, lambda _: gone.wait()) as there:
        local = host(tmp_path, INCUS_DIR=str(tmp_path))

        def ask() -> None:
            try:
                Incus(local, "repoman").get("/1.0")
            except (Failed, Interrupted) as error:
                ended.append(error)

        thread = threading.Thread(target=ask)
        thread.start()
        wait_until(lambda: bool(there.requests))
        local.close()
        thread.join()
        gone.set()
    assert isinstance(ended[0], Interrupted)


@pytest.mark.parametrize("path", ["local:/1.0 HTTP/1.1\r\nX: y", "other:/1.0", "local:1.0"])
def test_what_is_no_path_of_the_api_is_left_to_the_program(tmp_path: Path, path: str) -> None:
    with daemon(tmp_path, answers({})) as there:
        local = host(tmp_path, INCUS_DIR=str(tmp_path))
        argv = ["incus", "query", "--force-local", "--raw", "-X", "GET", path]
        assert local.read(argv).err == b"started\n"
    assert there.requests == []


@pytest.mark.parametrize(
    "argv",
    [
        ["getent", "passwd", str(os.geteuid())],
        ["getent", "passwd", "4000000000"],
        ["id", "--group", "--name"],
    ],
)
def test_the_user_is_the_one_of_the_programs(argv: list[str]) -> None:
    done = subprocess.run(argv, stdout=subprocess.PIPE, check=False)
    found = LocalHost().read(argv)
    assert (found.code, found.out.strip()) == (done.returncode, done.stdout.strip())

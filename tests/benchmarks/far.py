"""`list` and `status` on a host that is some milliseconds away, in one run.

Runs beside a daemon: `python -m tests.worlds.daemon -- python -m tests.benchmarks.far`. It compares
with a bare ssh that asks Incus, or with another checkout of repoman by `--beside FOLDER`.
"""

from __future__ import annotations

import argparse
import os
import queue
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from tests.benchmarks.containers import alternating
from tests.benchmarks.table import Row, show, timed
from tests.containers.conftest import RemoteContainerEstate
from tests.support.estate import CHECKOUT

DELAYS = (1, 20)
"""Milliseconds of a round trip."""
_CHUNK = 1 << 16


def _carry(source: socket.socket, target: socket.socket, seconds: float) -> None:
    """Hand on what comes, each part so many seconds after it came."""
    parts: queue.Queue[tuple[float, bytes]] = queue.Queue()

    def take() -> None:
        data = b"-"
        while data:
            try:
                data = source.recv(_CHUNK)
            except OSError:
                data = b""
            parts.put((time.monotonic() + seconds, data))

    threading.Thread(target=take, daemon=True).start()
    while True:
        due, data = parts.get()
        time.sleep(max(0.0, due - time.monotonic()))
        with suppress(OSError):
            if not data:
                return target.shutdown(socket.SHUT_WR)
            target.sendall(data)


@contextmanager
def delayed(port: int, milliseconds: float) -> Iterator[int]:
    """Give a port of this host that leads to `port`, with such a round trip on the way."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with suppress(OSError):  # the server is closed
                while True:
                    here, _ = server.accept()
                    there = socket.create_connection(("127.0.0.1", port))
                    for one in (here, there):
                        one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    for ends in ((here, there), (there, here)):
                        argv = (*ends, milliseconds / 2000)
                        threading.Thread(target=_carry, args=argv, daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1]


def lead_through(estate: RemoteContainerEstate, port: int) -> None:
    """Have `there` reached by that port."""
    own = str(estate.sshd.port)
    for name, text in (
        ("config", estate.sshd.config_stanza("there")),
        ("known_hosts", estate.sshd.known_hosts_line()),
    ):
        (estate.laptop / ".ssh" / name).write_text(text.replace(own, str(port)))


def measure(
    estate: RemoteContainerEstate, delay: int, commands: Sequence[str], beside: str
) -> Iterator[Row]:
    """Time each command through a line with that delay."""
    ssh = ["ssh", "-F", str(estate.laptop / ".ssh/config")]
    ssh += ["-o", f"UserKnownHostsFile={estate.laptop}/.ssh/known_hosts", "there"]
    with delayed(estate.sshd.port, delay) as port:
        lead_through(estate, port)

        def of(checkout: str, command: str) -> float:
            argv = [sys.executable, "-P", "-m", "repoman_tasks", *command.split()]
            return timed(argv, env={**estate.client_environ, "PYTHONPATH": checkout}, cwd="/")

        def bare() -> float:
            return timed([*ssh, "incus", "list", "--project", estate.project])

        for command in commands:
            other = partial(of, beside, command) if beside else bare
            ours, theirs = alternating(partial(of, str(CHECKOUT), command), other)
            yield Row(f"`{command} --host`, {delay} ms away", ours, theirs)


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.far")
    parser.add_argument("--containers", type=int, default=10)
    parser.add_argument("--beside", default="", help="another checkout, to compare with")
    given = parser.parse_args()
    rows: list[Row] = []
    with RemoteContainerEstate(Path(tempfile.mkdtemp(prefix="bench-"))) as estate:
        estate.setup()
        for number in range(given.containers):
            estate.new(f"p{number}")
        estate.run("sync", code=0)
        estate.run("status", code=0)
        estate.sshd.set_session_environ(estate.environ)
        for delay in DELAYS:
            rows += measure(estate, delay, ("list", "status", "status p0"), given.beside)
    theirs = os.path.basename(given.beside) if given.beside else "ssh HOST incus list"
    show(f"Far away, {given.containers} containers", "repoman", theirs, rows)


if __name__ == "__main__":
    main()

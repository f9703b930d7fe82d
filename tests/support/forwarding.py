"""A `repoman forward` that runs, servers inside of containers, and clients of both."""

from __future__ import annotations

import contextlib
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator

from tests.containers.conftest import ContainerEstate
from tests.support.processes import WAIT_SECONDS, wait_until

__all__ = ["ECHO", "Forwarding", "exchange", "forwarding", "serve"]

ECHO = r"""
use strict; use Socket; $SIG{CHLD} = 'IGNORE';
my ($address, $port) = @ARGV;
my $six = $address =~ /:/;
my $packed = Socket::inet_pton($six ? AF_INET6 : AF_INET, $address);
socket(my $server, $six ? AF_INET6 : AF_INET, SOCK_STREAM, 0) or die;
setsockopt($server, SOL_SOCKET, SO_REUSEADDR, 1);
bind($server, $six ? Socket::pack_sockaddr_in6($port, $packed) : pack_sockaddr_in($port, $packed))
    or die "bind: $!";
listen($server, 50);
exit if fork; open STDIN, '</dev/null'; open STDOUT, '>/dev/null'; open STDERR, '>/dev/null';
while (1) {
    accept(my $client, $server) or next;
    next if fork;
    my $count = 0;
    while (my $read = sysread $client, my $data, 65536) {
        $count += $read;
        while (length $data) { substr($data, 0, syswrite($client, $data) // exit, '') }
    }
    syswrite $client, "\n$count";
    exit;
}
"""
"""A server on an address and port: it sends all back, and at the end of its input the count."""


def serve(estate: ContainerEstate, name: str, port: int, address: str = "127.0.0.1") -> None:
    """Start a server in a container, unless it runs, and return once it listens."""
    done = estate.exec_inside(name, "perl", "-e", ECHO, address, str(port))
    assert done.code == 0 or "already in use" in done.err, done


class Forwarding:
    """A running `repoman forward`, with the ports of this machine by those inside."""

    def __init__(self, process: subprocess.Popen[bytes], count: int) -> None:
        self.process = process
        assert process.stdout is not None
        self.lines = [process.stdout.readline().decode() for _ in range(count)]
        self._said: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        assert all(self.lines), self.end()
        words = [line.split() for line in self.lines]
        self.ports = {int(word[-3]): int(word[0].rpartition(":")[2]) for word in words}

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self._said.append(line.decode())

    @property
    def said(self) -> str:
        """Return all that it has printed on standard error so far."""
        return "".join(self._said)

    def says(self, text: str) -> None:
        """Wait until it has printed `text` on standard error."""
        wait_until(lambda: text in self.said)

    def end(self, number: int = signal.SIGINT) -> int:
        """End it by a signal; return its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        code = self.process.wait(WAIT_SECONDS)
        self._reader.join(WAIT_SECONDS)
        return code


@contextlib.contextmanager
def forwarding(estate: ContainerEstate, *argv: str, count: int = 1) -> Iterator[Forwarding]:
    """Run `forward`, which prints `count` lines once it listens."""
    process = estate.start("forward", *argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    running = Forwarding(process, count)
    try:
        yield running
    finally:
        running.end(signal.SIGKILL)


def exchange(port: int, data: bytes, address: str = "127.0.0.1") -> bytes:
    """Connect to a port of this machine, send all, end the input, and return the answer."""
    with socket.create_connection((address, port), timeout=WAIT_SECONDS) as client:

        def feed() -> None:
            with contextlib.suppress(OSError):
                client.sendall(data)
                client.shutdown(socket.SHUT_WR)

        feeder = threading.Thread(target=feed)
        feeder.start()
        answer = bytearray()
        with contextlib.suppress(ConnectionResetError):
            while part := client.recv(1 << 16):
                answer += part
        feeder.join()
        return bytes(answer)

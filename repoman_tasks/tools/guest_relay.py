"""Carries a connection to a port of a container, by a program that is inside already.

POSIX sh has no TCP, so one of perl, python3 and busybox does it, which images have. It ends with
the connection, or when the server closes its side. Whoever has root inside can replace these
programs: all that they reach is the connection.
"""

from __future__ import annotations

from collections.abc import Sequence

from repoman_tasks.tools.guest import DELAY, GuestHandle

__all__ = ["NO_SERVER", "NO_TOOL", "relay_argv"]

NO_SERVER, NO_TOOL = 90, 91
"""Exit statuses: nothing listens on the port; there is no program that can connect."""
_LOOPBACK = ("127.0.0.1", "::1")

_PERL = r"""
use strict; use Socket; use Fcntl; use Errno qw(EAGAIN);
my ($missing, $port, @addresses) = @ARGV;
my $server;
for (@addresses) {
    my $six = /:/;
    my $packed = Socket::inet_pton($six ? AF_INET6 : AF_INET, $_) or next;
    socket(my $try, $six ? AF_INET6 : AF_INET, SOCK_STREAM, 0) or next;
    my $name = $six ? Socket::pack_sockaddr_in6($port, $packed) : pack_sockaddr_in($port, $packed);
    if (connect($try, $name)) { $server = $try; last }
}
if (!$server) { wait; exit $missing }
$SIG{PIPE} = 'IGNORE';
setsockopt($server, Socket::IPPROTO_TCP(), Socket::TCP_NODELAY(), 1);
for ($server, \*STDOUT) { fcntl($_, F_SETFL, fcntl($_, F_GETFL, 0) | O_NONBLOCK) }
my @from = (\*STDIN, $server); my @to = ($server, \*STDOUT);
my @data = ('', ''); my @open = (1, 1);
while ($open[1] || length $data[1]) {
    my ($reads, $writes) = ('', '');
    for (0, 1) {
        if (length $data[$_]) { vec($writes, fileno $to[$_], 1) = 1 }
        elsif ($open[$_]) { vec($reads, fileno $from[$_], 1) = 1 }
    }
    select($reads, $writes, undef, undef);
    for (0, 1) {
        if (length $data[$_]) {
            next unless vec($writes, fileno $to[$_], 1);
            my $count = syswrite $to[$_], $data[$_];
            if (defined $count) { substr($data[$_], 0, $count, '') }
            elsif ($! != EAGAIN) { $data[$_] = ''; $open[$_] = 0 }
        } elsif ($open[$_] && vec($reads, fileno $from[$_], 1)) {
            my $count = sysread $from[$_], $data[$_], 65536;
            next if $count || (!defined $count && $! == EAGAIN);
            $open[$_] = 0;
            shutdown($server, 1) unless $_;
        }
    }
}
wait;
"""
"""Connects its streams to the first address that answers. One select, so that no direction waits
for the other; the last `wait` is for the delay of the shell that it has replaced."""

_PYTHON = r"""
import os, socket, sys, threading
missing, port, *addresses = sys.argv[1:]
server = None
for address in addresses:
    try:
        server = socket.create_connection((address, int(port)))
        break
    except OSError:
        pass
def end(code):
    try:
        os.wait()
    finally:
        os._exit(code)
if server is None:
    end(int(missing))
server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
def feed():
    try:
        while data := os.read(0, 65536):
            server.sendall(data)
        server.shutdown(socket.SHUT_WR)
    except OSError:
        pass
threading.Thread(target=feed, daemon=True).start()
try:
    while data := server.recv(65536):
        while data:
            data = data[os.write(1, data):]
except OSError:
    pass
end(0)
"""

_RELAY = (
    DELAY
    + r"""
perl=$1 python=$2 missing=$3 none=$4 port=$5; shift 5
exec 2>/dev/null
perl -MSocket=inet_pton -MFcntl -e 1 && exec perl -e "$perl" -- "$missing" "$port" "$@"
python3 -Ic 'import socket' && exec python3 -Ic "$python" "$missing" "$port" "$@"
busybox nc --help 2>&1 | grep -q BusyBox || exit "$none"
for address do busybox nc "$address" "$port" && exit 0; done
exit "$missing"
"""
)
"""Arguments: the programs, the exit statuses, the port, the addresses to try."""


def relay_argv(handle: GuestHandle, port: int, addresses: Sequence[str]) -> list[str]:
    """Return the argv that connects its streams to a port inside, on loopback or `addresses`.

    It runs as the container's user, and ends with NO_SERVER, NO_TOOL, or 0 after a connection.
    """
    texts = (_PERL, _PYTHON, str(NO_SERVER), str(NO_TOOL), str(port))
    inner = ["sh", "-c", _RELAY, "sh", *texts, *_LOOPBACK, *addresses]
    ids = ("--user", str(handle.person.uid), "--group", str(handle.person.gid))
    return handle.incus.exec_argv(handle.name, inner, *ids)

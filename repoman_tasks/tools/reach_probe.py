"""Trying out what is reached: from inside a container, and by the host itself.

What is sent out has so few hops to live that it ends at the router next to the host; its address is
one that nobody has (RFC 5737).
"""

from __future__ import annotations

from repoman_tasks.errors import RepomanError
from repoman_tasks.hosts.base import Future, Host
from repoman_tasks.planning.fence.bridge import Bridge
from repoman_tasks.planning.fence.reachability import Reachability, parse_reachability
from repoman_tasks.tools.incus import Incus

__all__ = ["router_answers", "submit_reach"]

_SECONDS = 15.0

_OUT = r"""
gateway=$1 name=$2
there=192.0.2.1 route=no said='unknown unknown'
while read -r _ to _; do [ "$to" != 00000000 ] || route=yes; done </proc/net/route
if [ $route = no ]; then
    :
elif command -v perl >/dev/null 2>&1; then
    said=$(perl -MSocket -e '
        my ($gateway, $name, $there) = @ARGV;
        sub heard { my $bits = ""; vec($bits, fileno($_[0]), 1) = 1;
                    return select($bits, undef, undef, 1) > 0 }
        socket(my $dns, PF_INET, SOCK_DGRAM, 0);
        connect($dns, pack_sockaddr_in(53, inet_aton($gateway)));
        send($dns, pack("n6", 1, 256, 1, 0, 0, 0)
            . join("", map { pack("C/a*", $_) } split(/\./, $name)) . pack("Cnn", 0, 1, 1), 0);
        my $names = heard($dns) && defined(recv($dns, my $answer, 512, 0)) ? "yes" : "no";
        my $router = socket(my $icmp, PF_INET, SOCK_RAW, 1) ? "no" : "unknown";
        socket(my $udp, PF_INET, SOCK_DGRAM, 0);
        setsockopt($udp, 0, 2, pack("i", 2));
        for (1 .. 2) {
            last if $router ne "no";
            send($udp, "", 0, pack_sockaddr_in(33434, inet_aton($there)));
            for (1 .. 20) {
                last if $router eq "yes" || !heard($icmp);
                recv($icmp, my $packet, 512, 0);
                my $at = 4 * (ord($packet) & 15);
                $router = "yes" if ord(substr($packet, $at, 1)) == 11
                    && substr($packet, $at + 24, 4) eq inet_aton($there);
            }
        }
        print "$names $router";
    ' "$gateway" "$name" "$there" 2>/dev/null)
elif busybox traceroute --help >/dev/null 2>&1; then
    case $(busybox timeout 2 busybox nslookup "$name" "$gateway" 2>&1) in
    *Name:*|*find*) said=yes ;;
    *) said=no ;;
    esac
    case $(busybox traceroute -n -f 2 -m 2 -q 2 -w 1 "$there" 2>/dev/null | tail -n 1) in
    *' ms '*'!'*) said="$said no" ;;
    *' ms'*) said="$said yes" ;;
    *) said="$said no" ;;
    esac
else
    case $(ping -V 2>/dev/null) in
    *iputils*)
        case $(ping -n -c 2 -i 0.2 -W 1 -t 2 "$there" 2>/dev/null) in
        *[Tt]ime\ to\ live*) said='unknown yes' ;;
        *) said='unknown no' ;;
        esac ;;
    esac
fi
echo "$route $said"
"""
"""Prints what `parse_reachability` reads; `name` is one that the gateway answers for by itself."""

_NEXT = """
    socket(my $udp, PF_INET, SOCK_DGRAM, 0);
    setsockopt($udp, 0, 2, pack("i", 1));
    setsockopt($udp, 0, 11, pack("i", 1));
    connect($udp, pack_sockaddr_in(33434, inet_aton("192.0.2.1"))) or exit 1;
    send($udp, "", 0);
    my $bits = ""; vec($bits, fileno($udp), 1) = 1;
    select($bits, undef, undef, 1) > 0 or exit 1;
    exit(!defined(recv($udp, my $said, 512, 0)) && $! == 113 ? 0 : 1);
"""
"""Sends what has one hop to live to an address that nobody has (RFC 5737), and waits for the
router's word that it ended there: EHOSTUNREACH, by IP_RECVERR (ip(7))."""


def submit_reach(incus: Incus, name: str, bridge: Bridge) -> Future[Reachability]:
    """Ask the container called `name`, on `bridge`, what it reaches."""
    argv = ["sh", "-c", _OUT, "sh", bridge.gateway, bridge.gateway_name]
    inner = incus.exec_argv(name, argv, "--disable-stdin")
    asked = incus.host.submit_beside(inner, timeout=_SECONDS)

    def reached() -> Reachability:
        try:
            said = asked.result().text
        except RepomanError:  # it was stopped, or is busy: not known
            said = ""
        return parse_reachability(name, said.strip())

    return Future(reached)


def router_answers(host: Host) -> bool:
    """Whether the router next to `host` says that what `host` sent has ended there.

    False also where that can't be tried out, because there is no perl.
    """
    try:
        return host.read(["perl", "-MSocket", "-e", _NEXT], timeout=5).code == 0
    except RepomanError:
        return False

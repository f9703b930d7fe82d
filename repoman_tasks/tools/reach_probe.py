"""Probes of the network: from inside a container, and from the host itself.

Packets go to an address of no host (RFC 5737). Their TTL is so low that they expire at the router
next to the host.
"""

from __future__ import annotations

from repoman_tasks.errors import RepomanError
from repoman_tasks.hosts.base import Future, Host
from repoman_tasks.planning.fence.bridge import Bridge
from repoman_tasks.planning.fence.reachability import Reachability, parse_reachability
from repoman_tasks.tools.incus import Incus

__all__ = ["router_answers", "submit_reach"]

_SECONDS = 15.0

_PROBE = r"""
gateway=$1 name=$2
there=192.0.2.1 route=no said='unknown unknown'
while read -r _ to _; do [ "$to" != 00000000 ] || route=yes; done </proc/net/route
if [ $route = no ]; then
    :
elif command -v perl >/dev/null 2>&1; then
    said=$(perl -MSocket -e '
        my ($gateway, $name, $there) = @ARGV;
        socket(my $dns, PF_INET, SOCK_DGRAM, 0);
        connect($dns, pack_sockaddr_in(53, inet_aton($gateway)));
        my $query = pack("n6", 1, 256, 1, 0, 0, 0)
            . join("", map { pack("C/a*", $_) } split(/\./, $name)) . pack("Cnn", 0, 1, 1);
        my ($names, $router) = ("no", socket(my $icmp, PF_INET, SOCK_RAW, 1) ? "no" : "unknown");
        socket(my $udp, PF_INET, SOCK_DGRAM, 0);
        setsockopt($udp, 0, 2, pack("i", 2));
        for (1 .. 2) {
            send($dns, $query, 0) if $names eq "no";
            send($udp, "", 0, pack_sockaddr_in(33434, inet_aton($there))) if $router eq "no";
            my $left = 1;
            while ($left > 0 && ($names eq "no" || $router eq "no")) {
                my ($bits, $packet, $heard) = ("", "");
                vec($bits, fileno($dns), 1) = 1 if $names eq "no";
                vec($bits, fileno($icmp), 1) = 1 if $router eq "no";
                ($heard, $left) = select($bits, undef, undef, $left);
                last if $heard < 1;
                if ($names eq "no" && vec($bits, fileno($dns), 1)) {
                    $names = "yes" if defined(recv($dns, $packet, 512, 0));
                }
                if ($router eq "no" && vec($bits, fileno($icmp), 1)) {
                    recv($icmp, $packet, 512, 0);
                    my $at = 4 * (ord($packet) & 15);
                    $router = "yes" if ord(substr($packet, $at, 1)) == 11
                        && substr($packet, $at + 24, 4) eq inet_aton($there);
                }
            }
        }
        print "$names $router";
    ' "$gateway" "$name" "$there" 2>/dev/null)
elif busybox traceroute --help >/dev/null 2>&1; then
    heard=$(
        case $(busybox timeout 2 busybox nslookup "$name" "$gateway" 2>&1) in
        *Name:*|*find*) echo names ;;
        esac &
        case $(busybox traceroute -n -f 2 -m 2 -q 2 -w 1 "$there" 2>/dev/null | tail -n 1) in
        *' ms '*'!'*) ;;
        *' ms'*) echo router ;;
        esac
        wait
    )
    case $heard in *names*) said=yes ;; *) said=no ;; esac
    case $heard in *router*) said="$said yes" ;; *) said="$said no" ;; esac
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
"""Prints what `parse_reachability` parses; the gateway itself resolves `name`. It asks the gateway
and the router at the same time, and takes two seconds if neither answers."""

_PROBE_ROUTER = """
    socket(my $udp, PF_INET, SOCK_DGRAM, 0);
    setsockopt($udp, 0, 2, pack("i", 1));
    setsockopt($udp, 0, 11, pack("i", 1));
    connect($udp, pack_sockaddr_in(33434, inet_aton("192.0.2.1"))) or exit 1;
    send($udp, "", 0);
    my $bits = ""; vec($bits, fileno($udp), 1) = 1;
    select($bits, undef, undef, 0.5) > 0 or exit 1;
    exit(!defined(recv($udp, my $said, 512, 0)) && $! == 113 ? 0 : 1);
"""
"""Sends a packet with TTL 1 and waits for the router's "time exceeded", which IP_RECVERR reports as
EHOSTUNREACH (ip(7))."""


def submit_reach(incus: Incus, name: str, bridge: Bridge) -> Future[Reachability]:
    """Ask what the container called `name`, on `bridge`, can reach."""
    argv = ["sh", "-c", _PROBE, "sh", bridge.gateway, bridge.gateway_name]
    inner = incus.exec_argv(name, argv, "--disable-stdin")
    probe = incus.host.submit_beside(inner, timeout=_SECONDS)

    def parse() -> Reachability:
        try:
            output = probe.result().text
        except RepomanError:  # stopped meanwhile, or busy: unknown
            output = ""
        return parse_reachability(name, output.strip())

    return Future(parse)


def router_answers(host: Host) -> bool:
    """Return True if the router next to `host` answers that a packet of `host` expired there.

    False also if this can't be probed, because the host has no perl.
    """
    try:
        return host.read(["perl", "-MSocket", "-e", _PROBE_ROUTER], timeout=5).code == 0
    except RepomanError:
        return False

"""A LAN and an internet behind the host of the namespaces, with servers that greet.

A second network namespace holds a host of the LAN, which is also the router to the internet. It and
the first host greet whoever connects to `PORT`.
"""

from __future__ import annotations

import os
import socket
import socketserver
import subprocess
import sys
import time

__all__ = ["GREETING", "HOST", "HOST6", "INTERNET", "INTERNET6", "LAN", "LAN6", "PORT", "start"]

PORT = 8000
GREETING = b"hello"
HOST, LAN, INTERNET = "192.168.77.1", "192.168.77.20", "8.8.4.4"
HOST6, LAN6, INTERNET6 = "2a01:4f8:1::1", "2a01:4f8:1::20", "2600::1"


def start() -> None:
    """Create it, as root of a network namespace; it ends with the process namespace."""
    router = subprocess.Popen(["unshare", "--net", "sleep", "infinity"])
    inside = ["nsenter", "--net", f"--target={router.pid}"]
    while os.readlink(f"/proc/{router.pid}/ns/net") == os.readlink("/proc/self/ns/net"):
        time.sleep(0.02)
    _run(["ip", "link", "add", "lan0", "type", "veth", "peer", "name", "lan1"])
    _run(["ip", "link", "set", "lan1", "netns", str(router.pid)])
    _up([], "lan0", HOST, HOST6)
    _up(inside, "lan1", LAN, LAN6)
    _run([*inside, "ip", "link", "set", "lo", "up"])
    # Forward packets, and answer ICMP without a rate limit.
    for setting, value in (("ip_forward", "1"), ("icmp_ratelimit", "0")):
        _run([*inside, "sh", "-c", f"echo {value} >/proc/sys/net/ipv4/{setting}"])
    for address in (f"{INTERNET}/32", f"{INTERNET6}/128"):
        _run([*inside, "ip", "address", "add", address, "dev", "lo"])
    for argv, gateway, gateway6 in (([], LAN, LAN6), (inside, HOST, HOST6)):
        _run([*argv, "ip", "route", "add", "default", "via", gateway])
        _run([*argv, "ip", "-6", "route", "add", "default", "via", gateway6])
    for argv in ([], inside):
        subprocess.Popen([*argv, sys.executable, "-m", "tests.worlds.daemon.lan"])


def _up(argv: list[str], device: str, address: str, address6: str) -> None:
    _run([*argv, "ip", "address", "add", f"{address}/24", "dev", device])
    _run([*argv, "ip", "-6", "address", "add", f"{address6}/64", "dev", device, "nodad"])
    _run([*argv, "ip", "link", "set", device, "up"])


def _run(argv: list[str]) -> None:
    subprocess.run(argv, check=True)


class _Greeter(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        self.request.sendall(GREETING)


class _Server(socketserver.ThreadingTCPServer):
    address_family = socket.AF_INET6  # and IPv4 with it
    allow_reuse_address = True
    daemon_threads = True


if __name__ == "__main__":
    _Server(("::", PORT), _Greeter).serve_forever()

"""Containers that have an address, and the hosts they can reach."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.containers.conftest import ContainerEstate
from tests.support.processes import wait_until
from tests.worlds.daemon.lan import GREETING, PORT

__all__ = ["greeted", "plugged_in", "reaches"]

_LEASED = """\
[ "$1" = bound ] || exit 0
busybox ip address add "$ip/$mask" dev eth0
busybox ip route add default via "$router"
"""


def plugged_in(estate: ContainerEstate, name: str) -> str:
    """Make the small image request an IPv4 address, as others do by themselves; return it."""
    written = f"cat >/leased <<'END'\n#!/bin/sh\n{_LEASED}END\nchmod +x /leased"
    script = f"{written}; busybox ip link set eth0 up"  # down, if it was added to a container
    assert estate.exec_inside(name, "sh", "-c", script).code == 0
    argv = ("busybox", "udhcpc", "-f", "-n", "-q", "-t", "30", "-i", "eth0", "-s", "/leased")
    done = estate.exec_inside(name, *argv)
    assert done.code == 0, done
    shown = estate.exec_inside(name, "busybox", "ip", "-4", "address", "show", "dev", "eth0").out
    return shown.partition("inet ")[2].partition("/")[0]


def greeted(
    estate: ContainerEstate, name: str, address: str, port: int = PORT, uid: int = 0
) -> bool:
    """Return True if the user `uid` in the container reaches the server there."""
    script = 'sleep 0.05; busybox timeout 2 busybox nc -w 1 "$0" "$1" </dev/null'
    argv = ("exec", name, f"--user={uid}", "--", "sh", "-c", script, address, str(port))
    return GREETING.decode() in estate.incus(*argv, check=False).out


def reaches(estate: ContainerEstate, name: str, address: str, port: int = PORT) -> None:
    """Wait until root in the container reaches the server there."""
    wait_until(lambda: greeted(estate, name, address, port))

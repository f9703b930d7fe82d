"""Bound of the memory that all running containers may take together. Pure.

Incus has none that fits: the limit of a project counts stopped containers, too, and no percentages.
The kernel has none either: when the host runs out, it may end a program of the host.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from repoman_tasks.errors import Refused, quoted
from repoman_tasks.late_dataclass import dataclass
from repoman_tasks.planning.container.spec import Container
from repoman_tasks.planning.findings import Finding

__all__ = ["MemoryBound", "check_memory", "host_memory", "memory_fault", "memory_findings"]
__all__ += ["parse_memory"]

_SIZE = re.compile(r"(\d{1,15})\s*(%|[kMGTPE]B|[KMGTPE]iB|B|)")
_FACTORS = {"": 1, "B": 1} | {
    f"{letter}{suffix}": base**power
    for suffix, base in (("B", 1000), ("iB", 1024))
    for power, letter in enumerate("KMGTPE", 1)
}
_FACTORS["kB"] = 1000
_GIB = 1 << 30
_TOTAL = re.compile(rb"^MemTotal: +(\d{1,15}) kB$", re.MULTILINE)
_TAKING = ("running", "frozen")
"""States of containers that take memory."""


@dataclass(frozen=True)
class MemoryBound:
    """Values of `memory_total` and `memory`; there is no bound if `total` is empty."""

    total: str = ""
    each: str = ""


def memory_fault(limit: str) -> str:
    """Return why `limit` is not a valid value of `memory_total`, or an empty string if it is."""
    if _SIZE.fullmatch(limit):
        return ""
    return "must be a percentage of the host's memory or a size. Examples: 80%, 12GiB"


def parse_memory(limit: str, host: int) -> int:
    """Return a limit of Incus in bytes, of a host with `host` bytes; what is no limit is all."""
    match = _SIZE.fullmatch(limit)
    if match is None:
        return host
    number, unit = int(match[1]), match[2]
    return number * host // 100 if unit == "%" else min(host, number * _FACTORS[unit])


def host_memory(meminfo: bytes | None) -> int:
    """Return the memory of a host in bytes from its /proc/meminfo; 0 if it does not tell."""
    match = _TOTAL.search(meminfo or b"")
    return int(match[1]) << 10 if match else 0


def memory_findings(total: str, host: int, containers: Mapping[str, Container]) -> list[Finding]:
    """Return a note if running containers exceed the bound, as after Incus itself started them."""
    if not (total and host):
        return []
    running = [one for one in containers.values() if one.status in _TAKING]
    taken = sum(parse_memory(one.memory, host) for one in running)
    if taken <= parse_memory(total, host):
        return []
    what = f"running containers may take {taken / _GIB:.1f} GiB of memory, memory_total is {total}"
    largest = max(running, key=lambda one: parse_memory(one.memory, host))
    cure = f"stop one, as with `repoman stop {quoted(largest.name)}`"
    return [Finding("incus", what, cure, problem=False, kind="memory")]


def check_memory(
    bound: MemoryBound, host: int, containers: Mapping[str, Container], name: str
) -> None:
    """Raise Refused if the container `name` would exceed the bound once it runs.

    `host` is the memory of the host in bytes. Frozen containers keep their memory, so they count.
    """
    started = containers.get(name)
    limit = started.memory if started else bound.each
    running = {
        one.name: parse_memory(one.memory, host)
        for one in containers.values()
        if one.status in _TAKING and one.name != name
    }
    total, needed = parse_memory(bound.total, host), parse_memory(limit, host)
    if sum(running.values()) + needed <= total:
        return
    used = sum(running.values()) / _GIB
    what = (
        f"{name} may take {needed / _GIB:.1f} GiB of memory and the running containers "
        f"{used:.1f} GiB, more than memory_total, {total / _GIB:.1f} GiB"
    )
    largest = max(running, key=lambda one: running[one], default="")
    stop = f"run `repoman stop {quoted(largest)}`, " if largest else ""
    raise Refused(what, f"{stop}lower memory or raise memory_total in [defaults]")

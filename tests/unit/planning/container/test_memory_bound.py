"""Bound of the memory of all running containers."""

from __future__ import annotations

import pytest

from repoman_tasks.errors import Refused
from repoman_tasks.planning.container.memory_bound import (
    MemoryBound,
    check_memory,
    host_memory,
    memory_findings,
    parse_memory,
)
from repoman_tasks.planning.container.spec import Container

GIB = 1 << 30


def container(name: str, status: str, memory: str) -> Container:
    return Container(name, status, {}, {}, (), memory=memory)


@pytest.mark.parametrize(
    ("limit", "size"),
    [
        ("50%", 8 * GIB),
        ("8GiB", 8 * GIB),
        ("512MiB", GIB // 2),
        ("1GB", 10**9),
        ("1kB", 1000),
        ("4096", 4096),
        ("99GiB", 16 * GIB),
        ("", 16 * GIB),
        ("much", 16 * GIB),
    ],
)
def test_a_limit_in_bytes(limit: str, size: int) -> None:
    assert parse_memory(limit, 16 * GIB) == size


IDLE = [container(f"c{n}", "running", "50%") for n in range(4)]


@pytest.mark.parametrize(
    ("total", "others", "allowed"),
    [
        ("80%", [], True),
        ("80%", IDLE[:1], False),
        ("100%", IDLE[:1], True),
        ("100%", IDLE[:2], False),
        ("12GiB", [container("a", "running", "4GiB")], True),
        ("12GiB", [container("a", "running", "5GiB")], False),
        ("12GiB", [container("a", "frozen", "5GiB")], False),
        ("12GiB", [container("a", "stopped", "5GiB")], True),
        ("80%", [container("isurus", "running", "50%")], True),
        ("80%", [container("isurus", "stopped", "")], False),
        ("30%", [], False),
    ],
)
def test_the_sum_of_running_containers(total: str, others: list[Container], allowed: bool) -> None:
    bound, by_name = MemoryBound(total, "50%"), {one.name: one for one in others}
    if allowed:
        check_memory(bound, 16 * GIB, by_name, "isurus")
        return
    with pytest.raises(Refused, match="more than memory_total") as caught:
        check_memory(bound, 16 * GIB, by_name, "isurus")
    assert "raise memory_total in [defaults]" in caught.value.cure


@pytest.mark.parametrize(
    ("meminfo", "size"),
    [
        (b"MemTotal:       16777216 kB\nMemFree: 1 kB\n", 16 * GIB),
        (b"MemFree: 1 kB\n", 0),
        (b"MemTotal: many kB\n", 0),
        (None, 0),
    ],
)
def test_the_memory_of_a_host(meminfo: bytes | None, size: int) -> None:
    assert host_memory(meminfo) == size


@pytest.mark.parametrize(
    ("total", "running", "noted"), [("80%", 1, False), ("80%", 2, True), ("", 9, False)]
)
def test_containers_that_exceed_the_bound_are_noted(total: str, running: int, noted: bool) -> None:
    containers = {f"c{n}": container(f"c{n}", "running", "50%") for n in range(running)}
    containers["stopped"] = container("stopped", "stopped", "50%")
    found = memory_findings(total, 16 * GIB, containers)
    assert bool(found) == noted
    assert not any(finding.problem for finding in found)
    assert memory_findings(total, 0, containers) == []


def test_the_cure_names_the_largest() -> None:
    others = [container("a", "running", "2GiB"), container("b", "running", "9GiB")]
    with pytest.raises(Refused) as caught:
        check_memory(MemoryBound("12GiB", "50%"), 16 * GIB, {o.name: o for o in others}, "isurus")
    assert "`repoman stop b`" in caught.value.cure

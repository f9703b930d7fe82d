"""Grouping of equal findings."""

from __future__ import annotations

import pytest

from repoman_tasks.planning.findings import Finding
from repoman_tasks.planning.text.grouping import group_findings


def never(name: str) -> Finding:
    return Finding(name, "never mirrored", f"`repoman sync {name}`")


def old(name: str, age: str = "3 d ago") -> Finding:
    return Finding(name, f"last mirrored {age}", f"`repoman sync {name}`")


INCUS = Finding("incus", "it does not run", "start it", kind="incus")


@pytest.mark.parametrize(
    ("findings", "grouped"),
    [
        ([], []),
        ([INCUS], [INCUS]),
        ([never("a"), INCUS, never("b"), never("c")], [never("a"), never("b"), never("c"), INCUS]),
        (
            [never("a"), never("b"), INCUS, never("c"), never("d"), never("e")],
            [Finding("a, b, c and 2 more", "never mirrored", "`repoman sync NAME`"), INCUS],
        ),
        ([old(name, name) for name in "abcde"], [old(name, name) for name in "abcde"]),
        (
            [Finding(n, "x", f"`repoman a {n}`, `b-{n}`") for n in "abcd"],
            [Finding(n, "x", f"`repoman a {n}`, `b-{n}`") for n in "abcd"],
        ),
        (
            [Finding(n, "x", "wait", problem=n == "a") for n in "abcde"],
            [Finding("a", "x", "wait"), Finding("b, c, d and 1 more", "x", "wait", problem=False)],
        ),
    ],
)
def test_group_findings(findings: list[Finding], grouped: list[Finding]) -> None:
    assert group_findings(findings) == grouped

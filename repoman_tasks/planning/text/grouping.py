"""Findings that say the same of many projects, as one: a terminal has no room for two hundred."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from repoman_tasks.planning.findings import Finding

__all__ = ["group_findings"]

_NAMED = 3
"""So many are named; of no more than these each has a finding of its own."""


def group_findings(found: Sequence[Finding]) -> list[Finding]:
    """`found`, in which those that differ by their subject alone are one, where there are many.

    It names the first subjects, and its cure has NAME in their place.
    """
    groups: dict[Finding, list[Finding]] = {}
    for finding in found:
        groups.setdefault(_of_anybody(finding), []).append(finding)
    shown = []
    for of_anybody, findings in groups.items():
        if len(findings) <= _NAMED:
            shown += findings
        else:
            names = ", ".join(finding.subject for finding in findings[:_NAMED])
            subject = f"{names} and {len(findings) - _NAMED} more"
            shown.append(replace(of_anybody, subject=subject))
    return shown


def _of_anybody(finding: Finding) -> Finding:
    name = re.compile(rf"(?<![\w-]){re.escape(finding.subject)}(?![\w-])")
    return replace(finding, subject="NAME", cure=name.sub("NAME", finding.cure))

"""Grouping of findings: one that applies to two hundred projects must not fill the terminal."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from repoman_tasks.planning.findings import Finding

__all__ = ["group_findings"]

_MAX_UNGROUPED = 3
"""Number of equal findings up to which they stay separate, and of subjects that a group names."""


def group_findings(findings: Sequence[Finding]) -> list[Finding]:
    """Merge findings that differ only by their subject, if there are many of them.

    A merged finding names the first subjects, and its cure has NAME in place of the subject.
    """
    groups: dict[Finding, list[Finding]] = {}
    for finding in findings:
        groups.setdefault(_without_subject(finding), []).append(finding)
    merged = []
    for common, members in groups.items():
        if len(members) <= _MAX_UNGROUPED:
            merged += members
        else:
            names = ", ".join(finding.subject for finding in members[:_MAX_UNGROUPED])
            subject = f"{names} and {len(members) - _MAX_UNGROUPED} more"
            merged.append(replace(common, subject=subject))
    return merged


def _without_subject(finding: Finding) -> Finding:
    name = re.compile(rf"(?<![\w-]){re.escape(finding.subject)}(?![\w-])")
    return replace(finding, subject="NAME", cure=name.sub("NAME", finding.cure))

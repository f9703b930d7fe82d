"""Exclude patterns that a repo's .repoman.toml may request for its mirror. Pure.

They need no approval, because they give access to nothing: files that are already in the mirror
stay there, git's folders cannot be excluded (`tools.rsync`), and a finding lists every pattern.
The file's author may still be hostile, so patterns must be few, short and simple.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from repoman_tasks.errors import quoted
from repoman_tasks.model import Project
from repoman_tasks.planning.findings import Finding

__all__ = ["exclude_changes", "exclude_finding", "excludes_fault", "pattern_fault"]

_MAX_PATTERNS = 100
_MAX_LENGTH = 200
_MAX_STARS = 6
"""rsync backtracks at each *, which takes very long if there are many."""
_WILD = re.compile(r"\[[^]]*\]|[*?/.]")


def excludes_fault(patterns: Sequence[str]) -> str:
    """Return why a repo may not exclude `patterns`, or an empty string if it may."""
    if len(patterns) > _MAX_PATTERNS:
        return f"{len(patterns)} patterns are more than the {_MAX_PATTERNS} allowed"
    faults = ((pattern, pattern_fault(pattern)) for pattern in patterns)
    return next((f"{pattern[:60]!r} {fault}" for pattern, fault in faults if fault), "")


def pattern_fault(pattern: str) -> str:
    """Return why a repo may not exclude `pattern`, or an empty string if it may.

    The pattern must mean what a person sees, stay in the repo, and not exclude everything.
    """
    parts = pattern.split("/")
    checks = (
        (len(pattern) > _MAX_LENGTH, f"is longer than {_MAX_LENGTH} characters"),
        (not pattern.isprintable(), "contains unprintable characters"),
        ("\\" in pattern, "contains a backslash"),
        (pattern.count("*") > _MAX_STARS, f"contains more than {_MAX_STARS} *"),
        (".." in parts, "leads out of the repo"),
        (".git" in parts, "excludes git's own folder: only the registry may do that"),
        (not _WILD.sub("", pattern), "excludes everything"),
    )
    return next((fault for wrong, fault in checks if wrong), "")


def exclude_changes(before: Project, after: Project) -> str:
    """Return the changed exclude patterns of the repo as "- old, + new"; empty if none changed."""
    old, new = before.requested_exclude, after.requested_exclude
    changes = [f"- {pattern}" for pattern in old if pattern not in new]
    changes += [f"+ {pattern}" for pattern in new if pattern not in old]
    return ", ".join(changes)


def exclude_finding(project: Project) -> Finding | None:
    """Return a note that lists the repo's exclude patterns; None without patterns or mirror.

    It lists all of them, because a hostile pattern could hide behind "and 90 more".
    """
    if not (project.backup and project.requested_exclude):
        return None
    what = f"its .repoman.toml excludes from the mirror: {', '.join(project.requested_exclude)}"
    cure = f"to mirror them, delete them there and run `repoman update {quoted(project.name)}`"
    return Finding(project.name, what, cure, problem=False, kind="exclude")

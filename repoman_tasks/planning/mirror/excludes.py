"""What a repo's own .repoman.toml may leave out of its mirror. Pure.

It needs no approval, because it reaches nothing: what the mirror holds already stays there, git's
own folders can't be left out (`tools.rsync`), and a person is told of each pattern. Whoever wrote
the file may be hostile all the same, so the patterns are few, short and plain.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from repoman_tasks.model import Project
from repoman_tasks.planning.findings import Finding

__all__ = ["exclude_changes", "exclude_finding", "excludes_fault", "pattern_fault"]

_MOST_PATTERNS = 100
_MOST_LETTERS = 200
_MOST_STARS = 6
"""rsync tries each * at each place of a path: many of them take very long."""
_WILD = re.compile(r"\[[^]]*\]|[*?/.]")


def excludes_fault(patterns: Sequence[str]) -> str:
    """Why a repo may not leave out what `patterns` mean; empty where it may."""
    if len(patterns) > _MOST_PATTERNS:
        return f"these are {len(patterns)} patterns, and {_MOST_PATTERNS} are the most"
    faults = ((pattern, pattern_fault(pattern)) for pattern in patterns)
    return next((f"{pattern[:60]!r} {fault}" for pattern, fault in faults if fault), "")


def pattern_fault(pattern: str) -> str:
    """Why one pattern may not be a repo's own; empty where it may.

    It says what a person reads: no sign that is not shown, no way out of the repo, and not
    everything.
    """
    parts = pattern.split("/")
    checks = (
        (len(pattern) > _MOST_LETTERS, f"is longer than {_MOST_LETTERS} letters"),
        (not pattern.isprintable(), "has signs that can't be shown"),
        ("\\" in pattern, "has a backslash"),
        (pattern.count("*") > _MOST_STARS, f"has more than {_MOST_STARS} *"),
        (".." in parts, "leads out of the repo"),
        (".git" in parts, "leaves out git's own folder, which only you can, in the registry"),
        (not _WILD.sub("", pattern), "names nothing, and would leave out everything"),
    )
    return next((fault for wrong, fault in checks if wrong), "")


def exclude_changes(before: Project, after: Project) -> str:
    """In words, what else the repo leaves out of its mirror now; empty where nothing changed."""
    old, new = before.asked_exclude, after.asked_exclude
    changes = [f"- {pattern}" for pattern in old if pattern not in new]
    changes += [f"+ {pattern}" for pattern in new if pattern not in old]
    return ", ".join(changes)


def exclude_finding(project: Project) -> Finding | None:
    """What a repo leaves out of its mirror, all of it: a hostile one would hide it among others.

    None where it is nothing, or there is no mirror.
    """
    if not (project.backup and project.asked_exclude):
        return None
    what = f"its .repoman.toml leaves out of its mirror: {', '.join(project.asked_exclude)}"
    cure = f"if you want that mirrored, drop it there, then `repoman update {project.name}`"
    return Finding(project.name, what, cure, problem=False, kind="exclude")

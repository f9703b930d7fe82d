"""Tell of mirrors that somebody or something else changed, and that a sync repaired. Pure."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Mapping
from dataclasses import replace

from repoman_tasks.errors import quoted
from repoman_tasks.model import Altered, Project
from repoman_tasks.planning.findings import Finding
from repoman_tasks.planning.mirror.damage import ABSENT, ATTRIBUTES, DIFFERENT, EXTRA
from repoman_tasks.planning.mirror.known_mirrors import MOST_NAMED
from repoman_tasks.planning.mirror.share_check import ASIDE
from repoman_tasks.planning.text.wording import plural

__all__ = [
    "altered_findings",
    "altered_warning",
    "aside_findings",
    "by_owner",
    "folders_aside",
    "is_of",
    "make_altered",
]

_KEPT = re.compile(rf"{re.escape(ASIDE)}\.(.+)\.[0-9a-f]{{16}}", re.DOTALL)
_HOWS = {"new": ABSENT, "deleted": EXTRA, "changed": DIFFERENT, "attributes": ATTRIBUTES}


def make_altered(project: Project, when: str, kinds: Mapping[str, str], folder: str) -> Altered:
    """Return what was found of the project's mirror at the time `when`.

    `kinds` has what a sync does to each entry. What it replaces is kept in `folder` on the share,
    empty if it replaces nothing.
    """
    entries = tuple(f"{path}: {_HOWS[kind]}" for path, kind in sorted(kinds.items()))
    folders = (folder,) if folder else ()
    return Altered(when, len(kinds), entries[:MOST_NAMED], folders, project.created)


def is_of(project: Project, altered: Altered) -> bool:
    """Return True if `altered` is of the mirror of this project, not of one that had its name."""
    return altered.created == project.created


def by_owner(names: Iterable[str]) -> dict[str, list[str]]:
    """Return those of `names` that are folders kept aside, by the name of their project."""
    found: dict[str, list[str]] = {}
    for match in filter(None, map(_KEPT.fullmatch, names)):
        found.setdefault(match[1], []).append(match[0])
    return found


def folders_aside(
    project: Project, known: Altered | None, names: Iterable[str], projects: Container[str]
) -> Altered | None:
    """Return what is known of a mirror that was changed, with the folders that hold what of it was
    replaced; None if there is neither.

    `names` are those of the folders on the share: a sync that was killed could not note its own.
    `projects` are the names of all projects: a folder of none is of this one before it was renamed.
    """
    there = by_owner(names).get(project.name, [])
    if known is None or not is_of(project, known):
        return Altered("", 0, (), tuple(sorted(there)), project.created) if there else None
    noted = {
        folder
        for owner, folders in by_owner(known.folders).items()
        if owner == project.name or owner not in projects
        for folder in folders
    }
    return replace(known, folders=tuple(sorted({*there, *noted})))


def altered_warning(project: Project, altered: Altered, share: str) -> str:
    """Return the warning of the sync that repaired the mirror."""
    return f"{_what(altered)}; {_cure(project, altered, share)}"


def altered_findings(project: Project, altered: Altered | None, share: str) -> list[Finding]:
    """Return the finding about a mirror that was changed; `share` is the path of the share."""
    if altered is None or not is_of(project, altered):
        return []
    what, cure = _what(altered), _cure(project, altered, share)
    return [Finding(project.name, what, cure, kind="altered", items=altered.entries)]


def aside_findings(
    names: Iterable[str], known: Iterable[Altered], projects: Container[str], share: str
) -> list[Finding]:
    """Return the findings about folders kept aside of projects that were removed since.

    `names` are those of the folders on the share, `projects` those of all projects, and `known` is
    what is known of their mirrors.
    """
    noted = {folder for altered in known for folder in altered.folders}
    found = []
    for owner, folders in sorted(by_owner(names).items()):
        left = [f"{share}/{folder}" for folder in sorted(folders) if folder not in noted]
        if left and owner not in projects:
            what = (
                "a sync kept what it replaced in its mirror, and there is no such project any more"
            )
            cure = f"if it is not needed, delete it with `{quoted('rm', '-r', '--', *left)}`"
            found.append(Finding(owner, what, cure, False, kind="aside", items=tuple(left)))
    return found


def _what(altered: Altered) -> str:
    if not altered.count:
        return "something else changed its mirror, and a sync that repaired it was killed"
    entries = plural(altered.count, "entry", "entries")
    return f"something else changed its mirror, {entries}, which the sync repaired"


def _cure(project: Project, altered: Altered, share: str) -> str:
    seen = f"`repoman status {quoted(project.name)} --seen`"
    if not altered.folders:
        return f"find out what does, then run {seen}"
    kept = ", ".join(f"{share}/{folder}" for folder in altered.folders)
    return f"what it replaced is in {kept}: find out what does, then delete that with {seen}"

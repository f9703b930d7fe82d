"""Findings about files in a repo that make programs on the host run commands. Pure.

Git hooks are an example. A container can write such files. Those that exist when a project is
created are mounted read-only over the repo; but root in the container can unmount them, so new
ones are reported, too.
"""

from __future__ import annotations

import posixpath
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from repoman_tasks.errors import quoted
from repoman_tasks.late_dataclass import dataclass
from repoman_tasks.model import GUARD, Project
from repoman_tasks.planning.findings import Finding
from repoman_tasks.planning.text.wording import plural
from repoman_tasks.planning.trust.hazard_names import INSTRUCTIONS, KINDS, place_of

__all__ = ["PROTECTED", "Hazard", "Marks", "hazard_findings", "is_new"]
__all__ += ["instructions_finding", "lost_mounts_finding", "merged_marks", "owner_finding"]
__all__ += ["protect_findings", "scan_finding"]

Marks = Mapping[str, Sequence[str]]
"""Hazards that a person has seen, each with the marks that it had."""

PROTECTED = (
    *(".git/hooks", ".git/config", ".git/info/attributes", ".husky", ".vscode", ".idea", ".zed"),
    *(".exrc", ".nvim.lua", ".dir-locals.el", ".mcp.json"),
    *(".claude/settings.json", ".claude/hooks", ".envrc", ".repoman.toml"),
)
"""Paths relative to the repo. The hooks and config of each submodule are protected, too.

Not protected are files that work in a repo changes: settings of package managers and task runners,
and instructions of agents.
"""

_MAX_NAMED = 5
"""Limit of places that a finding names for each kind."""
_MAX_MARKS = 16
"""Limit of contents of one file that count as seen: a checkout switches between some."""


@dataclass(frozen=True)
class Hazard:
    """File or git setting that a program on the host may run, or that instructs an agent."""

    what: str
    kind: str
    marks: tuple[str, ...]
    """Fingerprints: of the file's metadata, which any write changes, and perhaps one of its
    content, which comes back if a branch is checked out again. Without any, it is always new."""
    unlisted: str = ""
    """Folder, relative to the repo, that hides what is in it until it can be listed."""


def is_new(hazard: Hazard, seen: Marks) -> bool:
    """Return True if no person has seen the hazard as it is now."""
    return not set(hazard.marks) & set(seen.get(hazard.what, ()))


def merged_marks(seen: Marks, more: Marks) -> dict[str, list[str]]:
    """Return `seen` with `more` added, the newest marks first and limited in number."""
    merged = {what: list(marks) for what, marks in seen.items()}
    for what, marks in more.items():
        merged[what] = list(dict.fromkeys([*marks, *merged.get(what, ())]))[:_MAX_MARKS]
    return merged


def hazard_findings(
    name: str, path: str, hazards: Iterable[Hazard], seen: Marks, incus_project: str
) -> list[Finding]:
    """Return findings about hazards that are new or changed in the repo at `path`.

    `items` of each has all of them, and its text counts and names some. Those that can't be marked
    as seen have findings of their own, because the cure is another.
    """
    new = {hazard.what: hazard for hazard in hazards if is_new(hazard, seen)}
    return [
        *_seen_findings(name, path, {what: h for what, h in new.items() if h.marks}),
        *_unlisted_findings(name, path, [h for h in new.values() if h.unlisted], incus_project),
        *_flood_findings(name, path, [h for h in new.values() if not (h.marks or h.unlisted)]),
    ]


def _seen_findings(name: str, path: str, new: Mapping[str, Hazard]) -> list[Finding]:
    kinds = [(kind, [h.what for h in new.values() if h.kind == kind]) for kind in KINDS]
    found = [(kind, _ordered(whats)) for kind, whats in kinds if whats]
    if not found:
        return []
    counts = "; ".join(f"{len(whats)} of {kind}: {_named(whats)}" for kind, whats in found)
    what = f"new in {path} since you last looked, and run by programs on this host: {counts}"
    cure = (
        f"check what `repoman status {quoted(name)}` lists before using git, an editor or an agent "
        f"there, then run `repoman status {quoted(name)} --seen`"
    )
    items = tuple(what for _, whats in found for what in whats)
    return [Finding(name, what, cure, kind="hazard", items=items)]


def _unlisted_findings(
    name: str, path: str, new: Sequence[Hazard], incus_project: str
) -> list[Finding]:
    if not new:
        return []
    items = tuple(_ordered(hazard.what for hazard in new))
    what = f"{plural(len(new), 'folder')} in {path} may hold what programs on this host run"
    # By root inside, whose folder it may be. A command of root here could be led elsewhere.
    folders = [posixpath.normpath(f"{path}/{hazard.unlisted}") for hazard in new[:_MAX_NAMED]]
    enter = ("incus", "exec", "--project", incus_project, name, "--")
    cure = f"run `{quoted(*enter, 'chmod', 'a+rx', *folders)}`, then look again"
    return [Finding(name, f"{what}: {_named(items)}", cure, kind="hazard", items=items)]


def _flood_findings(name: str, path: str, new: Sequence[Hazard]) -> list[Finding]:
    if not new:
        return []
    items = tuple(_ordered(hazard.what for hazard in new))
    cure = "delete from it what you do not know, then look again"
    return [Finding(name, f"in {path}, {_named(items)}", cure, kind="hazard", items=items)]


def _ordered(whats: Iterable[str]) -> list[str]:
    """Return the hazards, those at the top of the repo first."""
    return sorted(whats, key=lambda what: (place_of(what).count("/"), what))


def _named(whats: Sequence[str]) -> str:
    """Name the first places of hazards, and count the rest."""
    places = Counter(map(place_of, whats))
    named = [
        next(what for what in whats if place_of(what) == place)
        if count == 1
        else f"{place} ({plural(count, 'file')})"
        for place, count in list(places.items())[:_MAX_NAMED]
    ]
    more = len(places) - len(named)
    return ", ".join(named) + (f" and {more} more" if more else "")


def instructions_finding(
    name: str, path: str, hazards: Iterable[Hazard], seen: Marks
) -> list[Finding]:
    """Return a note on files that instruct agents and are new or changed in the repo at `path`."""
    new = {h.what for h in hazards if h.kind == INSTRUCTIONS and is_new(h, seen)}
    if not new:
        return []
    what = f"{plural(len(new), 'file')} in {path} that instruct agents: new since you last looked"
    mark = f"`repoman status {quoted(name)} --seen`"
    cure = f"read them before you start an agent there, then run {mark}"
    items = tuple(_ordered(new))
    return [Finding(name, what, cure, problem=False, kind="instructions", items=items)]


def protect_findings(projects: Iterable[Project], *, guarded: bool) -> list[Finding]:
    """Return a finding for each of `projects` that relies on a guard for git.

    Return none if the host is `guarded`.
    """
    what = 'it has protect = "guard" in the registry, but the guard for git is not installed'
    cure = "run `repoman git-guard install`"
    relying = [p.name for p in projects if p.container and p.protect == GUARD and not guarded]
    return [Finding(name, what, cure, kind="guard") for name in relying]


def lost_mounts_finding(name: str, lost: Sequence[str]) -> Finding:
    """Return the finding that a container can write the `lost` paths, which were read-only."""
    what = f"its container can write what was read-only, because a mount was lost: {_named(lost)}"
    cure = f"run `repoman restart {quoted(name)}`"
    return Finding(name, what, cure, kind="lost-mount", items=tuple(lost))


def scan_finding(name: str, path: str, reason: str) -> Finding:
    """Return the finding that the repo at `path` could not be scanned for hazards."""
    cure = "use no git, editor or agent there before you know why; then try again"
    return Finding(name, f"{path} can't be scanned, {reason}", cure, kind="hazard")


def owner_finding(name: str, path: str, files: int, ids: str, project: str) -> Finding:
    """Return a note on `files` in a repo that belong to root or another user of its container.

    `ids` is the person's UID:GID, `project` the Incus project.
    """
    entries = plural(files, "file or folder", "files and folders")
    belong = "belongs" if files == 1 else "belong"
    what = f"{entries} in {path} {belong} to other users of its container"
    command = f"find {quoted(path)} ! -user {ids.partition(':')[0]} -exec chown -h {ids} {{}} +"
    cure = f"run `incus exec --project {quoted(project)} {quoted(name)} -- {command}`"
    return Finding(name, what, cure, problem=False, kind="owner")

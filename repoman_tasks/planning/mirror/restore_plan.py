"""Paths and target of a restore. Pure."""

from __future__ import annotations

import hashlib
import itertools
import posixpath
import re
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import replace

from repoman_tasks.errors import Refused, UsageError, quoted
from repoman_tasks.late_dataclass import dataclass
from repoman_tasks.model import Project
from repoman_tasks.planning.findings import Finding, RepoState
from repoman_tasks.planning.names import absolute, overlapping

__all__ = [
    "RESTORED",
    "RestoreOptions",
    "Target",
    "check_target",
    "inner_paths",
    "partial_findings",
    "partial_places",
    "plan_target",
    "unused",
]

RESTORED = "restored"
"""Folder in the home for what is not restored to its own place."""
_PARTIAL = re.compile(r"(/(?:.*/)?)\.([^/]+)\.([0-9a-f]{8})\.partial", re.DOTALL)
"""Path of `Target.partial`: parent, name, digest."""


@dataclass(frozen=True)
class RestoreOptions:
    """Options of `restore`."""

    paths: tuple[str, ...] = ()
    """Files and folders in the repo; empty for all of it."""
    at: str = ""
    to: str = ""
    in_place: bool = False


@dataclass(frozen=True)
class Target:
    """Target of a restore."""

    folder: str
    """Absolute path of the folder that the copy becomes, or is merged into."""
    aside: str = ""
    """Folder for what a copy in place replaces; empty for a new folder."""
    origin: str = ""
    """Project, source and paths of the copy, in any form."""

    @property
    def in_place(self) -> bool:
        """True if the folder exists, and is made equal to the copy."""
        return bool(self.aside)

    @property
    def partial(self) -> str:
        """Path of the folder until the copy is complete.

        Only the same restore goes on there: what another source left must not get into this copy.
        """
        parent, name = posixpath.split(self.folder)
        return posixpath.join(parent, f".{name}.{_digest(self.origin)}.partial")

    @property
    def folders(self) -> tuple[str, ...]:
        """All folders that get files of the copy, or files that it replaces."""
        return (self.folder, self.aside or self.partial)


def _origin(name: str, at: str, paths: Iterable[str]) -> str:
    return "\0".join([name, at, *paths])


def _digest(origin: str) -> str:
    return hashlib.sha256(origin.encode(errors="surrogateescape")).hexdigest()[:8]


def inner_paths(paths: Sequence[str], repo: str) -> tuple[str, ...]:
    """Return `paths` relative to the repo at `repo`, normalized. Raise UsageError if outside it."""
    inner = []
    for path in paths:
        plain = posixpath.normpath(path)
        if plain.startswith("/"):
            plain = posixpath.relpath(plain, repo)
        if plain.startswith("../") or plain == "..":
            raise UsageError(f"{path!r} is not in {repo}", "name files and folders of the repo")
        inner.append(plain)
    return () if "." in inner else tuple(inner)


def plan_target(
    name: str,
    repo: str,
    source: str,
    options: RestoreOptions,
    home: str,
    now: str,
    *,
    missing: bool,
) -> Target:
    """Return where to restore the project `name`, whose repo is at `repo`.

    `source` names what is restored, for a folder's name. `now` is a time in the registry's format.
    If `missing`, the repo does not exist or is empty. Raise UsageError if the options don't fit
    that.
    """
    if options.in_place:
        if options.to:
            raise UsageError("--in-place and --to can't be combined", "choose one")
        if missing:
            raise UsageError(f"{repo} is missing or empty", "leave out --in-place")
        stamp = now.translate({ord(sign): None for sign in "-:"})
        return Target(repo, f"{home}/{RESTORED}/{name}-replaced-{stamp}")
    origin = _origin(name, source if options.at else "", options.paths)
    if options.to:
        return Target(absolute(options.to, home), origin=origin)
    if missing and not options.paths:
        return Target(repo, origin=origin)
    return Target(f"{home}/{RESTORED}/{name}-{source}", origin=origin)


def unused(target: Target, existing: Container[str]) -> Target:
    """Return `target`, with a number behind its name if its parent has a folder called so."""
    parent, name = posixpath.split(target.folder)
    names = itertools.chain([name], (f"{name}-{number}" for number in itertools.count(2)))
    free = next(name for name in names if name not in existing)
    return replace(target, folder=posixpath.join(parent, free))


def partial_places(
    guarded: Iterable[str], projects: Iterable[Project], local_repos: str
) -> list[str]:
    """Return the folders, beside `local_repos`, that a restore may have left something in.

    `guarded` are the folders that the guard for git knows, to which a restore adds its own.
    """
    repos = (posixpath.join(local_repos, project.repo) for project in projects)
    partial = filter(_PARTIAL.fullmatch, guarded)
    return sorted({*map(posixpath.dirname, [*repos, *partial])} - {local_repos})


def partial_findings(
    left: Iterable[str], projects: Sequence[Project], repos: Mapping[str, RepoState]
) -> list[Finding]:
    """Return a note for each folder in `left` that a restore left incomplete.

    `repos` are the states of the repos of `projects`, by name: one that is missing can still come
    back.
    """
    found = []
    for path in left:
        if match := _PARTIAL.fullmatch(path):
            parent, name, digest = match.groups()
            subject, again = _restore_of(f"{parent}{name}", digest, projects, repos)
            go_on = f"go on with `{quoted('repoman', *again)}`, or " if again else ""
            cure = f"{go_on}delete it with `{quoted('rm', '-rf', path)}`"
            what = f"a restore that did not end has left {path}"
            found.append(Finding(subject, what, cure, problem=False, kind="partial"))
    return found


def _restore_of(
    folder: str, digest: str, projects: Sequence[Project], repos: Mapping[str, RepoState]
) -> tuple[str, tuple[str, ...]]:
    """Return the project whose restore to `folder` has this digest, and the argv that goes on.

    It is empty if that restore is not known, or would not go there any more.
    """
    at_home = {repos[project.name].path: project for project in projects}
    for project in projects:
        if _digest(_origin(project.name, "", ())) == digest:
            if at_home.get(folder) is None:
                return project.name, ("restore", project.name, "--to", folder)
            if at_home[folder] is project and repos[project.name].problem == "missing":
                return project.name, ("restore", project.name)
    own = at_home.get(folder)
    return own.name if own else posixpath.basename(folder), ()


def check_target(target: Target, repos: Sequence[str], protected: Sequence[str]) -> None:
    """Raise Refused if a new folder would be in a repo or in a folder of `protected`, or around it.

    `repos` are the absolute paths of all repos.
    """
    other = overlapping(target.folder, [*repos, *protected])
    if other and target.folder not in repos and not target.in_place:
        raise Refused(f"{target.folder} overlaps {other}", "name a folder elsewhere by --to")

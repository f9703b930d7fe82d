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
    "plan_target",
    "unused",
]

RESTORED = "restored"
"""Folder in the home for what is not restored to its own place."""


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
        digest = hashlib.sha256(self.origin.encode(errors="surrogateescape")).hexdigest()
        return posixpath.join(parent, f".{name}.{digest[:8]}.partial")

    @property
    def folders(self) -> tuple[str, ...]:
        """All folders that get files of the copy, or files that it replaces."""
        return (self.folder, self.aside or self.partial)


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
    origin = "\0".join([name, source if options.at else "", *options.paths])
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


def partial_findings(
    folders: Iterable[str], projects: Iterable[Project], repos: Mapping[str, RepoState], base: str
) -> list[Finding]:
    """Return a note for each of `folders` in local_repos, at `base`, that a restore left.

    `repos` are the states of the repos of `projects`, by name: one that is missing can still come
    back.
    """
    found = []
    for project in projects:
        left = re.compile(rf"\.{re.escape(project.repo)}\.[0-9a-f]{{8}}\.partial")
        for folder in filter(left.fullmatch, folders):
            delete = f"delete it with `{quoted('rm', '-rf', f'{base}/{folder}')}`"
            cure = delete
            if repos[project.name].problem == "missing":
                cure = f"go on with `repoman restore {quoted(project.name)}`, or {delete}"
            what = f"a restore of it that did not end has left {base}/{folder}"
            found.append(Finding(project.name, what, cure, problem=False, kind="partial"))
    return found


def check_target(target: Target, repos: Sequence[str], protected: Sequence[str]) -> None:
    """Raise Refused if a new folder would be in a repo or in a folder of `protected`, or around it.

    `repos` are the absolute paths of all repos.
    """
    other = overlapping(target.folder, [*repos, *protected])
    if other and target.folder not in repos and not target.in_place:
        raise Refused(f"{target.folder} overlaps {other}", "name a folder elsewhere by --to")

"""What is wrong with the estate, and the cure of each finding."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from repoman_tasks.model import Defaults, Project, Registry
from repoman_tasks.planning.names import inside
from repoman_tasks.planning.text.wording import age, hours_since

__all__ = [
    "EstateFacts",
    "Finding",
    "RepoState",
    "findings",
    "health",
    "mirror_is_old",
    "no_registry",
    "unregistered",
]


@dataclass(frozen=True)
class RepoState:
    """Where a project's repo should be, and what is there."""

    path: str
    problem: str = ""

    @property
    def says(self) -> str:
        """The problem with its verb."""
        return f"is {self.problem}" if self.problem == "missing" else self.problem


@dataclass(frozen=True)
class EstateFacts:
    """The registry, and what there is of its repos on the host."""

    registry: Registry
    local_repos: str
    repos: Mapping[str, RepoState] = field(default_factory=dict)
    home: str = "/"
    """The home of whoever runs this there."""
    revoked: Mapping[str, str] = field(default_factory=dict)
    """Projects whose repo asked for something that is not approved any more, each with the
    reason. What it was is left out of `registry`."""
    stored: Registry = field(default_factory=Registry)
    """The registry with that, as it was read."""


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, or worth knowing where `problem` is false."""

    subject: str
    what: str
    cure: str
    problem: bool = True
    kind: str = ""
    """A word for programs, and for what can be repaired."""


def mirror_is_old(project: Project, defaults: Defaults, now: str) -> bool:
    """Whether the project has a backup that is older than it may be, or not there yet."""
    if not project.backup:
        return False
    then = project.last_sync
    return not then or hours_since(then, now) > defaults.max_age_hours


def repo_state(path: str, real: str | None, real_local_repos: str) -> RepoState:
    """Judge what `path` led to."""
    if real is None:
        return RepoState(path, "missing")
    if real == real_local_repos or not inside(real, real_local_repos):
        return RepoState(path, f"leads outside local_repos, to {real}")
    if real != path:
        return RepoState(path, f"is a symlink to {real}")
    return RepoState(path)


def unregistered(folders: Iterable[str], projects: Iterable[Project]) -> list[str]:
    """Those of `folders`, directly below local_repos, that belong to no project."""
    known = {project.repo.split("/")[0] for project in projects}
    return sorted(
        folder for folder in folders if folder not in known and not folder.startswith(".")
    )


def findings(project: Project, state: RepoState, registry: Registry, now: str) -> list[Finding]:
    """What is wrong with one project."""
    found = []
    if state.problem:
        cure = f"bring it back, or `repoman remove {project.name}`"
        found.append(Finding(project.name, f"repo {state.path} {state.says}", cure))
    if project.stopped_at:
        cure = f"`repoman sync {project.name} --dry-run --force` lists the rest"
        found.append(Finding(project.name, "its last sync stopped at max_delete", cure))
    if project.backup and not project.last_sync:
        found.append(Finding(project.name, "never mirrored", f"`repoman sync {project.name}`"))
    elif mirror_is_old(project, registry.defaults, now):
        what = f"last mirrored {age(project.last_sync, now)}"
        found.append(Finding(project.name, what, f"`repoman sync {project.name}`"))
    return found


def no_registry(path: str) -> Finding:
    """Return the finding of a host on which `setup` has not been run yet."""
    return Finding("registry", f"there is no registry at {path}", "run `repoman setup`")


def health(
    facts: EstateFacts,
    share_problem: tuple[str, str] | None,
    projects: Iterable[Project],
    folders: Iterable[str],
    now: str,
) -> list[Finding]:
    """What is worth saying about the share, `projects`, and `folders` below local_repos."""
    registry = facts.registry
    found = []
    if share_problem:
        found.append(Finding("share", *share_problem))
    for project in projects:
        found += findings(project, facts.repos[project.name], registry, now)
        if project.name in facts.revoked:
            found.append(_revoked(project.name, facts.revoked[project.name]))
    for folder in unregistered(folders, registry.projects):
        what = "a folder below local_repos that no project has"
        found.append(Finding(folder, what, _registering(folder), False))
    return found


def _revoked(name: str, why: str) -> Finding:
    what = f"what its .repoman.toml once asked for is not approved: {why}"
    cure = f"`repoman trust {name}` shows what it asks for, `repoman update {name}` takes it away"
    return Finding(name, what, cure, kind="trust")


def _registering(folder: str) -> str:
    try:
        folder.encode()
    except UnicodeEncodeError:
        return "its name is not UTF-8, so no project can have it: rename it"
    return f"`repoman new NAME --repo {shlex.quote(folder)} --no-container` to have it mirrored"

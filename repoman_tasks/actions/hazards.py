"""Watching what containers write into their repos: the part of `status` that looks there."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from repoman_tasks.actions.facts import incus, person, reconcile
from repoman_tasks.errors import RepomanError
from repoman_tasks.hosts.base import TimedOut
from repoman_tasks.model import Project
from repoman_tasks.planning.findings import Finding
from repoman_tasks.planning.mirror.sync_plan import find_project
from repoman_tasks.planning.trust.hazard_findings import hazard_findings, owner_finding
from repoman_tasks.session import Session
from repoman_tasks.tools.hazard_scan import (
    find_all_hazards,
    find_hazards,
    foreign_entries,
    foresee_hazards,
    note_seen,
    seen,
    was_looked_at,
)

__all__ = ["find_new_hazards", "foresee_watch", "mark_seen", "prepare_baseline"]


def prepare_baseline(session: Session, repo: str, *, made: bool = False) -> Callable[[], None]:
    """What keeps, once it is called, that a person has seen what is in `repo`.

    It is looked at now, before a container has it: a person who gives a repo to one knows it. A
    repo that was looked at before stays as it was seen then, so that what is new since is still
    told; one that is made on the way, as `made` says, is looked at when it is there.
    """
    host = session.host
    there = None if made else find_hazards(host, repo)

    def keep() -> None:
        if there is None or not was_looked_at(host, repo):
            note_seen(host, repo, find_hazards(host, repo) if there is None else there)

    return keep


def foresee_watch(session: Session, projects: Sequence[Project]) -> None:
    """Say that the repos of `projects` will be watched."""
    foresee_hazards(session.host, list(_repos(session, projects).values()))


def find_new_hazards(session: Session, projects: Sequence[Project]) -> list[Finding]:
    """What is new in the repos of containers and runs on the host, and whose files are whose."""
    found = []
    repos = _repos(session, projects)
    every = find_all_hazards(session.host, list(repos.values()))
    for name, repo in repos.items():
        there = every[repo]
        if isinstance(there, RepomanError):
            found.append(Finding(name, f"{repo} can't be looked into, {there.what}", "try again"))
        else:
            found += hazard_findings(name, repo, there, seen(session.host, repo))
    return found + _foreign(session, repos)


def mark_seen(session: Session, name: str | None) -> None:
    """Note what is in the repo of a project, or of all of them, as seen by a person."""
    registry = session.of(reconcile).registry
    projects = [find_project(registry, name)] if name else registry.projects
    for repo in _repos(session, projects).values():
        note_seen(session.host, repo, find_hazards(session.host, repo))


def _repos(session: Session, projects: Sequence[Project]) -> dict[str, str]:
    """The repos, there and real, of those of `projects` that have a container."""
    repos = session.of(reconcile).repos
    chosen = (p.name for p in projects if p.container and not repos[p.name].problem)
    return {name: repos[name].path for name in chosen}


def _foreign(session: Session, repos: dict[str, str]) -> list[Finding]:
    host, project = session.host, session.of(incus).project
    try:
        counts = foreign_entries(host, list(repos.values()))
    except TimedOut:
        what = "it took too long to look whose files are in the repos"
        return [Finding("repos", what, "`repoman status NAME` looks into one", problem=False)]
    names = {repo: name for name, repo in repos.items()}
    if not counts:
        return []
    whose = session.of(person)
    ids = f"{whose.uid}:{whose.gid}"
    return [owner_finding(names[repo], repo, n, ids, project) for repo, n in counts.items()]

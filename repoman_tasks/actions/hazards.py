"""Watching what containers write into their repos: the part of `status` that looks there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from repoman_tasks.actions.facts import reconcile
from repoman_tasks.errors import RepomanError
from repoman_tasks.hosts.base import Future, Host, TimedOut
from repoman_tasks.model import Person, Project
from repoman_tasks.planning.findings import EstateFacts, Finding
from repoman_tasks.planning.mirror.sync_plan import find_project
from repoman_tasks.planning.trust.hazard_findings import Hazard, hazard_findings, owner_finding
from repoman_tasks.session import Session
from repoman_tasks.tools.hazard_scan import (
    find_hazards,
    note_seen,
    submit_foreign,
    submit_hazards,
    submit_seen,
    was_looked_at,
)

__all__ = ["mark_seen", "prepare_baseline", "repos_of_containers", "submit_new_hazards"]


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


def submit_new_hazards(
    host: Host, repos: Mapping[str, str], person: Future[Person], incus_project: str
) -> Future[list[Finding]]:
    """Ask what is new in the `repos` of containers and runs on the host, and whose files are whose.

    `repos` are paths by the names of their projects.
    """
    hazards = submit_hazards(host, list(repos.values()))
    seen = {repo: submit_seen(host, repo) for repo in repos.values()}
    foreign = submit_foreign(host, list(repos.values()))  # the longest comes last

    def found() -> list[Finding]:
        there = hazards.result()
        new = [one for name, repo in repos.items() for one in _new(name, repo, there[repo], seen)]
        return new + _foreign(repos, foreign, person, incus_project)

    return Future(found)


def _new(
    name: str,
    repo: str,
    hazards: list[Hazard] | RepomanError,
    seen: Mapping[str, Future[Mapping[str, str]]],
) -> list[Finding]:
    if isinstance(hazards, RepomanError):
        return [Finding(name, f"{repo} can't be looked into, {hazards.what}", "try again")]
    return hazard_findings(name, repo, hazards, seen[repo].result())


def mark_seen(session: Session, name: str | None) -> None:
    """Note what is in the repo of a project, or of all of them, as seen by a person."""
    facts = session.of(reconcile)
    projects = [find_project(facts.registry, name)] if name else facts.registry.projects
    for repo in repos_of_containers(facts, projects).values():
        note_seen(session.host, repo, find_hazards(session.host, repo))


def repos_of_containers(facts: EstateFacts, projects: Iterable[Project]) -> dict[str, str]:
    """Return the repos, there and real, of those of `projects` that have a container."""
    chosen = (p.name for p in projects if p.container and not facts.repos[p.name].problem)
    return {name: facts.repos[name].path for name in chosen}


def _foreign(
    repos: Mapping[str, str],
    asked: Future[dict[str, int]],
    person: Future[Person],
    incus_project: str,
) -> list[Finding]:
    try:
        counts = asked.result()
    except TimedOut:
        what = "it took too long to look whose files are in the repos"
        return [Finding("repos", what, "`repoman status NAME` looks into one", problem=False)]
    if not counts:
        return []
    names = {repo: name for name, repo in repos.items()}
    whose = person.result()
    ids = f"{whose.uid}:{whose.gid}"
    return [owner_finding(names[repo], repo, n, ids, incus_project) for repo, n in counts.items()]

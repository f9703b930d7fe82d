"""Reports files of containers in their repos that programs on the host may run, for `status`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from repoman_tasks.errors import RepomanError
from repoman_tasks.hosts.base import Future, Host, TimedOut
from repoman_tasks.model import Person, Project
from repoman_tasks.planning.findings import EstateFacts, Finding
from repoman_tasks.planning.mirror.sync_plan import find_project
from repoman_tasks.planning.trust.hazard_findings import Hazard, hazard_findings, owner_finding
from repoman_tasks.tools.hazard_scan import (
    find_hazards,
    record_seen,
    submit_foreign,
    submit_hazards,
    submit_seen,
    was_recorded,
)

__all__ = ["mark_seen", "prepare_baseline", "repos_of_containers", "submit_new_hazards"]


def prepare_baseline(host: Host, repo: str, *, created: bool = False) -> Callable[[], None]:
    """Scan `repo` before a container gets it; return a function that records the result as seen.

    A person who gives a repo to a container knows what is in it. An existing record is kept, so
    that what was new before is still reported. A repo that is yet to be `created` is scanned when
    the function is called.
    """
    hazards = None if created else find_hazards(host, repo)

    def record() -> None:
        if hazards is None:
            record_seen(host, repo, find_hazards(host, repo))
        elif not was_recorded(host, repo):
            record_seen(host, repo, hazards)

    return record


def submit_new_hazards(
    host: Host, repos: Mapping[str, str], person: Future[Person], incus_project: str
) -> Future[list[Finding]]:
    """Ask for findings about new hazards in `repos`, and about files of users of containers.

    `repos` maps projects to the paths of their repos.
    """
    hazards = submit_hazards(host, list(repos.values()))
    seen = {repo: submit_seen(host, repo) for repo in repos.values()}
    foreign = submit_foreign(host, list(repos.values()))  # last, because it takes longest

    def collect() -> list[Finding]:
        by_repo, findings = hazards.result(), []
        for name, repo in repos.items():
            findings += _new(name, repo, by_repo[repo], seen)
        return findings + _foreign(repos, foreign, person, incus_project)

    return Future(collect)


def _new(
    name: str,
    repo: str,
    hazards: list[Hazard] | RepomanError,
    seen: Mapping[str, Future[Mapping[str, str]]],
) -> list[Finding]:
    if isinstance(hazards, RepomanError):
        return [Finding(name, f"{repo} can't be scanned, {hazards.what}", "try again")]
    return hazard_findings(name, repo, hazards, seen[repo].result())


def mark_seen(host: Host, facts: EstateFacts, name: str | None) -> None:
    """Record the hazards in the repo of a project, or of all of them, as seen by a person."""
    projects = [find_project(facts.registry, name)] if name else facts.registry.projects
    for repo in repos_of_containers(facts, projects).values():
        record_seen(host, repo, find_hazards(host, repo))


def repos_of_containers(facts: EstateFacts, projects: Iterable[Project]) -> dict[str, str]:
    """Return the usable repos of those of `projects` that have a container, by project."""
    names = (p.name for p in projects if p.container and not facts.repos[p.name].problem)
    return {name: facts.repos[name].path for name in names}


def _foreign(
    repos: Mapping[str, str],
    foreign: Future[dict[str, int]],
    person: Future[Person],
    incus_project: str,
) -> list[Finding]:
    try:
        counts = foreign.result()
    except TimedOut:
        what = "the owners of the files were not checked in time"
        cure = "check one project: `repoman status NAME`"
        return [Finding("repos", what, cure, problem=False)]
    if not counts:
        return []
    names = {repo: name for name, repo in repos.items()}
    user = person.result()
    ids = f"{user.uid}:{user.gid}"
    return [owner_finding(names[repo], repo, n, ids, incus_project) for repo, n in counts.items()]

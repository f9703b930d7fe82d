"""Reports files in repos that programs on the host may run, for `status`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from repoman_tasks.actions.facts import reconcile
from repoman_tasks.errors import Refused, RepomanError, UsageError, quoted, without_backticks
from repoman_tasks.hosts.base import Future, Host
from repoman_tasks.late_dataclass import dataclass
from repoman_tasks.model import Person, Project
from repoman_tasks.planning.findings import EstateFacts, Finding
from repoman_tasks.planning.mirror.sync_plan import find_project
from repoman_tasks.planning.prompts import SEEN
from repoman_tasks.planning.text.wording import format_age, plural
from repoman_tasks.planning.trust.hazard_findings import (
    Hazard,
    Marks,
    hazard_findings,
    instructions_finding,
    is_new,
    owner_finding,
    scan_finding,
)
from repoman_tasks.session import Session
from repoman_tasks.tools.git_guard_files import submit_guard
from repoman_tasks.tools.hazard_records import (
    read_listing,
    record_listing,
    record_seen,
    submit_seen,
    was_recorded,
)
from repoman_tasks.tools.hazard_scan import Scan, find_hazards, submit_scan

__all__ = ["NewHazards", "accept_listed", "list_hazards", "prepare_baseline"]
__all__ += ["repos_of_containers", "require_guard", "submit_new_hazards"]


@dataclass(frozen=True)
class NewHazards:
    """Findings about hazards, and the hazards themselves by repo, to record what is listed."""

    findings: list[Finding]
    by_repo: Mapping[str, list[Hazard]]


def prepare_baseline(host: Host, repo: str, *, created: bool = False) -> Callable[[], None]:
    """Scan `repo` before a container gets it; return a function that records the result as seen.

    A person who gives a repo to a container knows what is in it. An existing record is kept, so
    that what was new before is still reported. A repo that is yet to be `created` is scanned when
    the function is called.
    """
    hazards = None if created else find_hazards(host, repo)

    def record() -> None:
        if hazards is None:
            record_seen(host, repo, _marks(find_hazards(host, repo)))
        elif not was_recorded(host, repo):
            record_seen(host, repo, _marks(hazards))

    return record


def _marks(hazards: Iterable[Hazard]) -> Marks:
    return {hazard.what: hazard.marks for hazard in hazards}


def submit_new_hazards(
    host: Host,
    repos: Mapping[str, str],
    person: Future[Person],
    home: Callable[[str], str],
    *,
    instructions: bool,
) -> Future[NewHazards]:
    """Ask for findings about new hazards in `repos`, and about files of users of containers.

    `repos` maps projects to the paths of their repos, `home` their names to the Incus projects of
    their containers. With `instructions`, files that instruct
    agents are noted, too.
    """
    seen = {repo: submit_seen(host, repo) for repo in repos.values()}
    scans = submit_scan(host, seen)  # last, because it takes longest

    def collect() -> NewHazards:
        by_repo, findings, new = scans.result(), [], {}
        for name, repo in repos.items():
            scan, marks = by_repo[repo], seen[repo].result()
            if isinstance(scan, RepomanError):
                findings.append(scan_finding(name, repo, scan.what))
                continue
            new[repo] = [hazard for hazard in scan.hazards if is_new(hazard, marks)]
            findings += hazard_findings(name, repo, scan.hazards, marks, home(name))
            findings += (
                instructions_finding(name, repo, scan.hazards, marks) if instructions else []
            )
            findings += _foreign(name, repo, scan, person, home(name))
        return NewHazards(findings, new)

    return Future(collect)


def _foreign(
    name: str, repo: str, scan: Scan, person: Future[Person], incus_project: str
) -> list[Finding]:
    if not scan.foreign:
        return []
    user = person.result()
    return [owner_finding(name, repo, scan.foreign, f"{user.uid}:{user.gid}", incus_project)]


def list_hazards(session: Session, hazards: NewHazards) -> None:
    """Record that the new hazards were listed in full, so that `status NAME --seen` accepts them.

    Nothing is recorded if there are none, or with --dry.
    """
    for repo, new in hazards.by_repo.items():
        if new and not session.dry:
            record_listing(session.host, repo, new, session.now())


def accept_listed(session: Session, name: str | None) -> None:
    """Record as seen what `status NAME` listed last of a project's repo, or of all of them.

    What changed since then stays new. If nothing was listed, list it now and ask; raise Refused if
    nobody can be asked, or the answer is no.
    """
    facts, host = session.of(reconcile), session.host
    projects = [find_project(facts.registry, name)] if name else facts.registry.projects
    unlisted = {}
    for project, repo in repos_of_containers(facts, projects).items():
        listing = read_listing(host, repo)
        if listing is None:
            unlisted[project] = repo
            continue
        record_seen(host, repo, listing.marks)
        count = plural(len(listing.marks), "entry", "entries")
        age = format_age(listing.time, session.now())
        session.screen.note(f"{project}: marked as seen: {count} that `status` listed {age}")
    for project, repo in unlisted.items():
        _ask_about(session, project, repo)


def _ask_about(session: Session, project: str, repo: str) -> None:
    """List what is new in a repo and ask if it was seen; do nothing if nothing is new."""
    host = session.host
    marks = submit_seen(host, repo)
    scan = submit_scan(host, {repo: marks}).result()[repo]
    if isinstance(scan, RepomanError):
        return  # it stays a finding
    new = [hazard for hazard in scan.hazards if is_new(hazard, marks.result())]
    if not new:
        return
    cure = f"run `repoman status {quoted(project)}`, check what it lists, then run this again"
    if not session.prompter.possible:
        raise Refused(f"{project}: 'status {project}' has not listed what is new", cure)
    session.screen.note(f"new in {repo}:")
    for hazard in new:
        session.screen.note(f"  {without_backticks(hazard.what)}")
    if not session.prompter.grant(SEEN):
        raise Refused(f"{project}: nothing was marked as seen", cure)
    record_seen(host, repo, _marks(new))


def require_guard(host: Host) -> None:
    """Raise UsageError unless the guard for git is installed on `host`."""
    if not submit_guard(host).result().present:
        what = "--protect guard needs the guard for git, which is not installed"
        raise UsageError(what, "run `repoman git-guard install`")


def repos_of_containers(facts: EstateFacts, projects: Iterable[Project]) -> dict[str, str]:
    """Return the usable repos of those of `projects` that have a container, by project."""
    names = (p.name for p in projects if p.container and not facts.repos[p.name].problem)
    return {name: facts.repos[name].path for name in names}

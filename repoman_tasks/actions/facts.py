"""The shared pre-tasks, which read facts and change nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from repoman_tasks.cli.task import task
from repoman_tasks.errors import Failed, RepomanError, TargetUnusable
from repoman_tasks.hosts.base import FOLDER_SECONDS, Future, Host, HungFolders
from repoman_tasks.model import Defaults, Failure, Person, Project, Registry, Verified
from repoman_tasks.planning.container.drift import Containers, unknown_containers
from repoman_tasks.planning.container.homes import homes_elsewhere, nesting_project
from repoman_tasks.planning.container.memory_bound import MemoryBound
from repoman_tasks.planning.container.spec import Container
from repoman_tasks.planning.findings import HUNG, EstateFacts, RepoState, repo_state
from repoman_tasks.planning.names import absolute
from repoman_tasks.planning.trust.approval_rules import (
    Approval,
    ForbiddenPaths,
    Request,
    covers,
    has_privileged_requests,
)
from repoman_tasks.session import Session
from repoman_tasks.tools.git_guard_files import refresh_guard
from repoman_tasks.tools.incus import Incus
from repoman_tasks.tools.person import submit_person

if TYPE_CHECKING:  # what not every command needs is imported when it does
    from repoman_tasks.planning.fence.fence_facts import FenceFacts
    from repoman_tasks.planning.local_snapshots import Copy
    from repoman_tasks.planning.mirror.known_mirrors import Mirrors
    from repoman_tasks.planning.mirror.share_check import Probe
    from repoman_tasks.tools.share import Share

    ShareCheck = Callable[[Probe, Defaults], object]

__all__ = [
    "addresses",
    "backup_share",
    "containers",
    "copies",
    "copies_folder",
    "failures",
    "fence_facts",
    "folders",
    "forbidden_paths",
    "incus",
    "mirrors",
    "nightly_state",
    "person",
    "readable_share",
    "reconcile",
    "repo_identities",
    "require_containers",
    "require_share",
    "stored_registry",
    "verified",
    "volumes",
    "writable_share",
]

T = TypeVar("T")


@task()
def stored_registry(session: Session) -> Future[Registry]:
    """Return the registry as it is stored."""
    registry = session.store.load()
    return Future(lambda: registry)


@task()
def reconcile(session: Session) -> Future[EstateFacts]:
    """Compare the registry with the repos on disk."""
    host, registry = session.host, session.of(stored_registry)
    configured = _local_repos(host, registry)
    paths = [configured, *(f"{configured}/{project.repo}" for project in registry.projects)]
    existing, mountinfo = host.submit_folders(paths), host.submit_file("/proc/self/mountinfo")
    revoked = _submit_revoked(host, registry, configured)

    def compare() -> EstateFacts:
        hung: frozenset[str] = frozenset()
        try:
            base, *real = existing.result()
        except HungFolders as problem:
            if configured in problem.hung:
                raise
            (base, *real), hung = problem.found, problem.hung
        repos = {p.name: f"{base}/{p.repo}" for p in registry.projects}
        share = absolute(registry.defaults.nfs_repos, host.home)
        refresh_guard(host, [base, share] if base and not registry.missing else [], repos)
        if base in (None, configured):  # else local_repos is a symlink
            found = _estate_facts(host, registry, configured, real, revoked, hung)
            return replace(found, mountinfo=_text(mountinfo.result()))
        revoked_there = _submit_revoked(host, registry, base)
        found = _estate_facts(host, registry, base, real, revoked_there, hung)
        return replace(found, mountinfo=_text(mountinfo.result()))

    return Future(compare)


def _local_repos(host: Host, registry: Registry) -> str:
    """Return the path of local_repos as it is configured, with symlinks."""
    return absolute(registry.defaults.local_repos, host.home)


def _estate_facts(
    host: Host,
    registry: Registry,
    local_repos: str,
    folders: Sequence[str | None],
    reasons: Mapping[str, Future[str]],
    hung: frozenset[str],
) -> EstateFacts:
    repos = {
        project.name: repo_state(f"{local_repos}/{project.repo}", real, local_repos)
        for project, real in zip(registry.projects, folders, strict=True)
    }
    configured = _local_repos(host, registry)
    for project in registry.projects:
        if f"{configured}/{project.repo}" in hung:
            repos[project.name] = RepoState(f"{local_repos}/{project.repo}", HUNG)
    revoked = {name: reason for name, future in reasons.items() if (reason := future.result())}
    projects = (_without_requests(p) if p.name in revoked else p for p in registry.projects)
    valid = replace(registry, projects=tuple(projects))
    facts = EstateFacts(valid, local_repos, repos, host.home, revoked, registry)
    return replace(facts, typed_repos=configured)


def _text(data: bytes | None) -> str:
    return (data or b"").decode(errors="surrogateescape")


def _submit_revoked(host: Host, registry: Registry, local_repos: str) -> dict[str, Future[str]]:
    """Ask for the reason why an approval no longer holds, by project; empty if it holds.

    Only projects with privileged requests need an approval.
    """
    projects = [p for p in registry.projects if has_privileged_requests(p, registry.defaults)]
    if not projects:
        return {}
    from repoman_tasks.tools.approvals import submit_approval
    from repoman_tasks.tools.repo_config import submit_request

    reasons = {}
    for project in projects:
        repo = f"{local_repos}/{project.repo}"
        request = submit_request(host, repo, project.requested_mounts)
        reasons[project.name] = Future(partial(_revoked, request, submit_approval(host, repo)))
    return reasons


def _revoked(request: Future[Request], approval: Future[Approval | None]) -> str:
    try:
        requested, approved = request.result(), approval.result()
    except RepomanError as problem:
        return problem.what
    if approved is None:
        return "there is no approval"
    return (
        ""
        if covers(approved, requested)
        else "the file changed, or a source resolves to another path"
    )


def _without_requests(project: Project) -> Project:
    """Return the project without requests of its repo that may need an approval."""
    return replace(project, requested_image="", requested_profiles=None, requested_mounts=())


@task()
def repo_identities(session: Session) -> Future[Mapping[str, str]]:
    """Find the device and inode of each repo that has a container, by the path of the registry.

    Those that are missing are left out, and all of them if one does not answer.
    """
    registry = session.of(stored_registry)
    base = _local_repos(session.host, registry)
    paths = [f"{base}/{project.repo}" for project in registry.projects if project.container]
    if not paths:
        return Future(dict)
    argv = ["find", *paths, "-maxdepth", "0", "-printf", r"%D:%i\t%p\0"]
    answer = session.host.submit(argv, timeout=FOLDER_SECONDS)

    def wait() -> Mapping[str, str]:
        try:
            records = answer.result().text.split("\0")[:-1]
        except Failed:
            return {}
        return {path: identity for identity, _, path in (r.partition("\t") for r in records)}

    return Future(wait)


@task()
def folders(session: Session) -> Future[list[str]]:
    """Find the names of all folders in local_repos."""
    from repoman_tasks.tools.file_tree import submit_folder_names

    local_repos = _local_repos(session.host, session.of(stored_registry))
    return submit_folder_names(session.host, local_repos)


@task()
def verified(session: Session) -> Future[Mapping[str, Verified]]:
    """Find what `verify` has proven, by project; nothing if the state can't be read."""
    return _readable(session.store.verified.submit_load().result)


@task()
def mirrors(session: Session) -> Future[Mirrors]:
    """Find what the last syncs left; nothing if the state can't be read."""
    from repoman_tasks.planning.mirror.known_mirrors import Mirrors

    answer = session.store.mirrors.submit_load()

    def wait() -> Mirrors:
        with suppress(RepomanError):
            return answer.result()
        return Mirrors()

    return Future(wait)


@task()
def failures(session: Session) -> Future[Mapping[str, Failure]]:
    """Find the projects whose last sync failed; none if the state can't be read."""
    from repoman_tasks.hosts.processes import is_over
    from repoman_tasks.planning.mirror.attempts import killed, noted

    def known(state: Mirrors) -> Mapping[str, Failure]:
        return noted(state, killed(state, state.begun, is_over)).failures

    return session.submit(mirrors).then(known)


def _readable(answer: Callable[[], Mapping[str, T]]) -> Future[Mapping[str, T]]:
    """Return a future of an answer; it is empty if the answer is an error."""

    def wait() -> Mapping[str, T]:
        with suppress(RepomanError):
            return answer()
        return {}

    return Future(wait)


@task()
def nightly_state(session: Session) -> Future[Mapping[str, str]]:
    """Find the time of day of the nightly sync and since when it is installed; else nothing."""
    from repoman_tasks.tools.nightly_files import submit_state

    return submit_state(session.host, session.store.mirrors.folder)


@task()
def incus(session: Session) -> Future[Incus]:
    """Return the Incus projects of the estate, without a request to Incus."""
    registry = session.of(stored_registry)
    defaults = registry.defaults
    bound = MemoryBound(defaults.memory_total, defaults.memory)
    project = session.incus_project or defaults.incus_project
    elsewhere = homes_elsewhere(registry, project)
    return Future(lambda: Incus(session.host, project, bound, elsewhere))


@task()
def containers(session: Session) -> Future[Containers]:
    """Find the containers of the Incus project, or the reason why Incus can't list them."""
    there, registry = session.of(incus), session.of(stored_registry)
    answer = there.submit_containers()

    def wait() -> Containers:
        try:
            found = answer.result()
            if any(one.container and one.name not in found for one in registry.projects):
                found = _with_those_elsewhere(there, found)
        except Failed as problem:
            return unknown_containers(problem)
        refresh_guard(session.host, [s for c in found.values() for s in c.sources])
        return Containers(found, uid=session.host.uid, doubled=there.homes.doubled)

    return Future(wait)


def _with_those_elsewhere(there: Incus, found: dict[str, Container]) -> dict[str, Container]:
    """Return the containers with those in the Incus project that allows nesting.

    It was not asked if no project has nesting, but one that had it may have its container there.
    """
    other = nesting_project(there.project)
    if other in there.homes.projects:
        return found
    more = there.submit_containers_in(other).result()
    return there.homes.merged([there.project, other], [found, more])


@task()
def volumes(session: Session) -> Future[Mapping[str, str]]:
    """Find the volumes of the Incus project, each with its pool; none if Incus does not answer."""
    there = session.of(incus)
    asked, answer = there.homes.projects, there.submit_volumes()

    def wait() -> Mapping[str, str]:
        try:
            found = answer.result()
            for project in there.homes.projects:
                if project not in asked:  # a container was found there meanwhile
                    found = {**there.submit_volumes_in(project).result(), **found}
            return found
        except Failed:  # `containers` has the reason
            return {}

    return Future(wait)


def copies_folder(session: Session) -> str:
    """Return the folder of what `snapshot` and `undo` keep of the repos, below the state."""
    return f"{session.store.mirrors.folder}/snapshots"


@task()
def copies(session: Session) -> Future[Mapping[str, Sequence[Copy]]]:
    """Find the copies of repos that `snapshot` made, and what `undo` replaced, by project."""
    from repoman_tasks.tools.repo_copies import submit_copies

    return submit_copies(session.host, copies_folder(session))


def require_containers(session: Session) -> Containers:
    """Return the containers; raise Failed if Incus can't list them."""
    answer = session.of(containers)
    if answer.problem:
        raise Failed(*answer.problem)
    return answer


@task()
def addresses(session: Session) -> Future[dict[str, str]]:
    """Find the IPv4 addresses of the running containers."""
    return session.of(incus).submit_addresses()


@task()
def person(session: Session) -> Future[Person]:
    """Find the user that repoman runs as."""
    return submit_person(session.host)


@task()
def fence_facts(session: Session) -> Future[FenceFacts | RepomanError]:
    """Find what containers depend on: Incus, its project and profiles; or the error."""
    from repoman_tasks.tools.fence_probe import read_fence_facts, submit_fence

    answers = submit_fence(session.of(incus), session.of(stored_registry).defaults)
    session.submit(containers)
    session.submit(person)

    def wait() -> FenceFacts | RepomanError:
        facts, find_person = session.of(reconcile), partial(session.of, person)
        try:
            return read_fence_facts(answers, facts, session.of(containers), find_person)
        except RepomanError as problem:
            return problem

    return Future(wait)


@task()
def forbidden_paths(session: Session) -> Future[ForbiddenPaths]:
    """Find the paths of the host that are never mounted into a container."""
    from repoman_tasks.tools.forbidden_paths import submit_forbidden_paths

    return submit_forbidden_paths(session.host, session.of(reconcile), session.store.folder)


@task(needs_holder=True)
def backup_share(session: Session) -> Future[Share | TargetUnusable]:
    """Find the backup share and hold it open, or find the reason why it is not usable."""
    from repoman_tasks.planning.mirror.share_check import check_share

    return _submit_share(session, check_share)


@task(needs_holder=True)
def writable_share(session: Session) -> Future[Share | TargetUnusable]:
    """Do as `backup_share`, also if there is too little free space for a mirror to grow."""
    from repoman_tasks.planning.mirror.share_check import check_writable

    return _submit_share(session, check_writable)


@task(needs_holder=True)
def readable_share(session: Session) -> Future[Share | TargetUnusable]:
    """Do as `backup_share`, for reading only: the share may be full or read-only."""
    from repoman_tasks.planning.mirror.share_check import check_readable

    return _submit_share(session, check_readable)


def _submit_share(session: Session, check: ShareCheck) -> Future[Share | TargetUnusable]:
    from repoman_tasks.tools.share import open_share

    registry = session.of(stored_registry)
    local_repos = _local_repos(session.host, registry)
    path = absolute(registry.defaults.nfs_repos, session.host.home)
    defaults = registry.defaults
    opening = open_share(
        session.host, path, local_repos, defaults.probe_seconds, defaults.snapshots
    )
    return Future(partial(_open_usable, session.stack, opening, registry, check))


def _open_usable(
    stack: ExitStack, opening: AbstractContextManager[Share], registry: Registry, check: ShareCheck
) -> Share | TargetUnusable:
    from repoman_tasks.planning.mirror.share_check import check_marker

    try:
        share = stack.enter_context(opening)
        check(share.probe, registry.defaults)
        check_marker(share.probe, registry.estate.id)
    except TargetUnusable as unusable:
        return unusable
    return share


def require_share(
    session: Session, find: Callable[[Session], Future[Share | TargetUnusable]] = backup_share
) -> Share:
    """Return the backup share that `find` found; raise TargetUnusable if it is not usable."""
    share = session.of(find)
    if isinstance(share, TargetUnusable):
        raise share
    return share

"""Findings about an estate, each with its cure. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import field

from repoman_tasks.errors import ExitCode, Failed, UsageError, quoted, without_backticks
from repoman_tasks.late_dataclass import dataclass
from repoman_tasks.model import Defaults, Failure, Project, Registry
from repoman_tasks.planning.mirror.attempts import reportable
from repoman_tasks.planning.mirror.source_check import stopped_cure
from repoman_tasks.planning.names import (
    SERVER_FOLDERS,
    check_name,
    check_repo,
    inside,
    possible_name,
)
from repoman_tasks.planning.text.wording import format_age, hours_since, in_future

__all__ = [
    "HUNG",
    "UNHANG",
    "EstateFacts",
    "Finding",
    "RepoState",
    "check_renamed",
    "estate_findings",
    "failure_finding",
    "failure_word",
    "mirror_findings",
    "mirror_is_old",
    "no_registry_finding",
    "project_findings",
    "repo_state",
    "unfinished_rename",
    "unregistered_folders",
]


HUNG = "does not answer"
"""Problem of a repo on a dead file system."""
UNHANG = "unmount what is mounted there, or bring its file server back"
"""The cure."""


@dataclass(frozen=True)
class RepoState:
    """Path of a project's repo, and the problem with it, if any."""

    path: str
    problem: str = ""

    @property
    def phrase(self) -> str:
        """Problem with its verb, such as "is missing"."""
        return f"is {self.problem}" if self.problem == "missing" else self.problem


@dataclass(frozen=True)
class EstateFacts:
    """Registry, and the state of its repos on the host."""

    registry: Registry
    local_repos: str
    repos: Mapping[str, RepoState] = field(default_factory=dict)
    home: str = "/"
    """Home of the user on that host."""
    revoked: Mapping[str, str] = field(default_factory=dict)
    """Reason by project for requests of its repo that are no longer approved. These requests are
    left out of `registry`."""
    stored: Registry = field(default_factory=Registry)
    """Registry with these requests, as it was read."""
    mountinfo: str = ""
    """Mounts of the host, as the kernel lists them (proc_pid_mountinfo(5))."""
    typed_repos: str = ""
    """Path of `local_repos` as it is configured, possibly through a symlink."""


@dataclass(frozen=True)
class Finding:
    """Problem with its cure; a note if `problem` is false.

    As in an error, only the cure has commands in backticks.
    """

    subject: str
    what: str
    cure: str
    problem: bool = True
    kind: str = ""
    """Kind for programs and for repairs; see `container.repairs`."""
    items: tuple[str, ...] = ()
    """All that a finding is about if `what` names only some."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "what", without_backticks(self.what))
        object.__setattr__(self, "items", tuple(map(without_backticks, self.items)))


def mirror_is_old(project: Project, defaults: Defaults, now: str) -> bool:
    """Return True if the project's mirror does not exist yet or is older than max_age_hours."""
    if not project.backup:
        return False
    then = project.last_sync
    if not then or in_future(then, now):  # by a clock that was wrong, it would stay new for long
        return True
    return hours_since(then, now) > defaults.max_age_hours


def repo_state(path: str, real: str | None, real_local_repos: str) -> RepoState:
    """Return the state of the repo at `path`; `real` is its real path, None if it is missing."""
    if real is None:
        return RepoState(path, "missing")
    if real == real_local_repos or not inside(real, real_local_repos):
        return RepoState(path, f"leads outside local_repos, to {real}")
    if real != path:
        return RepoState(path, f"is a symlink to {real}")
    return RepoState(path)


def unregistered_folders(folders: Iterable[str], registry: Registry) -> list[str]:
    """Return those `folders`, directly below local_repos, that belong to no project."""
    registered = {repo.split("/")[0] for repo in registry.repos}
    return sorted(
        folder for folder in folders if folder not in registered and not folder.startswith(".")
    )


def check_renamed(project: Project) -> None:
    """Raise Failed if a rename of `project` was not completed: half of it has another name."""
    if project.renaming:
        raise Failed(*unfinished_rename(project))


def unfinished_rename(project: Project) -> tuple[str, str]:
    """Return what to say of a rename that was interrupted, and the command that completes it."""
    cure = f"run `repoman rename {quoted(project.name, project.renaming)}`"
    return f"the rename of {project.name} to {project.renaming} was not completed", cure


def project_findings(
    project: Project,
    state: RepoState,
    registry: Registry,
    now: str,
    failure: Failure | None = None,
) -> list[Finding]:
    """Return the findings about one project's repo and mirror; `failure` is of its last sync."""
    if project.renaming:
        return [Finding(project.name, *unfinished_rename(project), kind="rename")]
    found = []
    sync = f"run `repoman sync {quoted(project.name)}`"
    if state.problem:
        restore = f"run `repoman restore {quoted(project.name)}`"
        mirrored = state.problem == "missing" and project.last_sync
        cure = (
            f"{restore if mirrored else 'restore it'}, or `repoman remove {quoted(project.name)}`"
        )
        cure = UNHANG if state.problem == HUNG else cure
        what = f"repo {state.path} {state.phrase}"
        found.append(Finding(project.name, what, cure, kind="repo"))
    if project.stopped_at:
        cure = stopped_cure(project.name)
        found.append(
            Finding(project.name, "its last sync stopped at max_delete", cure, kind="stopped")
        )
    if failure and not found:
        found.append(failure_finding(project, failure, now))
    if project.backup and not project.last_sync:
        found.append(Finding(project.name, "never mirrored", sync, kind="old"))
    elif mirror_is_old(project, registry.defaults, now):
        what = f"last mirrored {format_age(project.last_sync, now)}"
        if in_future(project.last_sync, now):
            what, sync = f"{what}: a clock was wrong, or is", f"check the clock, then {sync}"
        found.append(Finding(project.name, what, sync, kind="old"))
    return found


def failure_word(failure: Failure) -> str:
    """Return how the sync ended: refused, interrupted, or failed."""
    words = {ExitCode.REFUSED: "refused", ExitCode.INTERRUPTED: "interrupted"}
    return words.get(ExitCode(failure.code), "failed")


def failure_finding(project: Project, failure: Failure, now: str) -> Finding:
    """Return the finding about the last sync of `project`, which failed.

    Of an unusable share only a sync can tell if it is usable again.
    """
    word, age = failure_word(failure), format_age(failure.time, now)
    sync = f"run `repoman sync {quoted(project.name)}`"
    many = failure.times > 1
    what = f"the last {failure.times} syncs" if many else f"its last sync, {age},"
    what += (" were " if many else " was ") + word if word != "failed" else " failed"
    what += f", the newest {age}" if many else ""
    again = failure.code in (ExitCode.TARGET, ExitCode.INTERRUPTED)
    reason = "" if word == "interrupted" else f": {failure.what}"
    cure = sync if again or not failure.cure else failure.cure
    return Finding(project.name, what + reason, cure, kind="sync")


def no_registry_finding(path: str) -> Finding:
    """Return the finding of a host on which `setup` has not been run yet."""
    what = f"there is no registry at {path}"
    return Finding("registry", what, "run `repoman setup`", kind="registry")


def estate_findings(
    facts: EstateFacts,
    share_problem: tuple[str, str] | None,
    projects: Iterable[Project],
    folders: Iterable[str],
    now: str,
    failures: Mapping[str, Failure] | None = None,
) -> list[Finding]:
    """Return the findings about the share, `projects`, and `folders` below local_repos.

    `failures` are those of the last syncs. If the share is not usable now, that says it all.
    """
    registry = facts.registry
    found = []
    if share_problem:
        found.append(Finding("share", *share_problem, kind="share"))
    for project in projects:
        failure = reportable(project, failures or {})
        if share_problem and failure and failure.code == ExitCode.TARGET:
            failure = None
        found += project_findings(project, facts.repos[project.name], registry, now, failure)
        if project.name in facts.revoked:
            found.append(_revoked_finding(project.name, facts.revoked[project.name]))
    for folder in unregistered_folders(folders, registry):
        what = "a folder below local_repos without a project"
        found.append(Finding(folder, what, _register_cure(folder), False, kind="folder"))
    return found


def mirror_findings(folders: Iterable[str], registry: Registry) -> list[Finding]:
    """Return the findings about `folders` in the share's root that belong to no project."""
    unused = unregistered_folders(folders, registry)
    what = "a folder on the share without a project"
    return [
        Finding(folder, what, _restore_cure(folder), False, kind="mirror")
        for folder in unused
        if folder != "lost+found" and folder not in SERVER_FOLDERS
    ]


def _restore_cure(folder: str) -> str:
    try:
        check_name(check_repo(folder))
    except UsageError:
        return "if it is a mirror, rename it: a project can't have this name"
    return (
        f"if it is a mirror, bring it back with `repoman new {quoted(folder)} --restore`, "
        f"or delete it with `repoman remove {quoted(folder)} --mirror`"
    )


def _revoked_finding(name: str, why: str) -> Finding:
    what = f"requests of its .repoman.toml are no longer approved: {why}"
    drop = f"drop them with `repoman update {quoted(name)}`"
    cure = f"review them with `repoman trust {quoted(name)}`, or {drop}"
    return Finding(name, what, cure, kind="trust")


def _register_cure(folder: str) -> str:
    try:
        folder.encode()
    except UnicodeEncodeError:
        return "rename it: its name is not UTF-8, so it can't be registered"
    name = possible_name(folder)
    path = f"./{folder}" if folder.startswith("-") else folder  # else it would be an option
    repo = [] if name == folder else ["--repo", path]
    return f"to mirror it, run `repoman new {quoted(name, *repo)} --no-container`"

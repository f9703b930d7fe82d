"""What a sync will do: which projects, with which limits, and what its outcome amounts to."""

from __future__ import annotations

import stat
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass, field

from repoman_tasks.errors import ExitCode, UsageError
from repoman_tasks.model import Project, Registry, Tally
from repoman_tasks.planning.mirror.source_check import is_own
from repoman_tasks.planning.names import nearest, with_parents

__all__ = [
    "Counts",
    "Outcome",
    "SyncOptions",
    "SyncPlan",
    "exit_code",
    "find_project",
    "in_batches",
    "linked",
    "plan",
    "total",
]


_LEAST_BATCH = 8
"""Projects for which a second rsync beside the first is worth its start."""


@dataclass(frozen=True)
class SyncOptions:
    """What a person asked for."""

    delete: bool = True
    dry_run: bool = False
    force: bool = False
    wait: bool = False
    itemize: bool = False
    progress: bool = False


@dataclass(frozen=True)
class SyncPlan:
    """Which projects are mirrored, and how many at once."""

    projects: tuple[Project, ...]
    jobs: int
    options: SyncOptions
    one: bool
    """A person named this one project, so its exit code is the command's."""


@dataclass
class Counts:
    """What changed in a mirror. `bytes` are those of the files that were sent."""

    new: int = 0
    changed: int = 0
    deleted: int = 0
    attributes: int = 0
    bytes: int = 0

    def add(self, kind: str, size: int) -> None:
        """Count one entry of the kind of that name."""
        setattr(self, kind, getattr(self, kind) + 1)
        self.bytes += size

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            *(mine + theirs for mine, theirs in zip(astuple(self), astuple(other), strict=True))
        )


@dataclass
class Outcome:
    """How it went for one project."""

    name: str
    code: ExitCode = ExitCode.OK
    error: str = ""
    counts: Counts = field(default_factory=Counts)
    seconds: float = 0.0
    warnings: list[str] = field(default_factory=list)
    tally: Tally | None = None
    synced_at: str = ""
    stopped_at: str = ""

    @property
    def ok(self) -> bool:
        """Whether the mirror of the project is complete."""
        return self.code is ExitCode.OK


def linked(modes: Mapping[str, int], repo: str) -> str:
    """The first path on the share that leads to a mirror and is a symlink, or an empty string.

    `modes` holds the st_mode of what is there.
    """
    return next((path for path in with_parents(repo) if stat.S_ISLNK(modes.get(path, 0))), "")


def in_batches(
    projects: Sequence[Project], patterns: Mapping[str, Iterable[str]], jobs: int
) -> list[list[Project]]:
    """Group those of `projects` that may share one rsync: mirrored before, with the same rules.

    `patterns` are, by a project's name, those of its exclude patterns that hold everywhere.
    """
    groups: dict[tuple[str, ...], list[Project]] = {}
    for project in projects:
        if project.last_tree and is_own(project) and not project.stopped_at:
            groups.setdefault(tuple(patterns[project.name]), []).append(project)
    return [chunk for group in groups.values() for chunk in _chunks(group, jobs)]


def _chunks(group: list[Project], jobs: int) -> list[list[Project]]:
    count = min(jobs, -(-len(group) // _LEAST_BATCH))
    return [group[n::count] for n in range(count)] if len(group) > 1 else []


def _check_there(registry: Registry) -> None:
    """`UsageError` where nothing was ever registered."""
    if registry.missing:
        raise UsageError("there is no registry yet", "`repoman setup` makes one")


def find_project(registry: Registry, name: str) -> Project:
    """The project called `name`; `UsageError` with the nearest name where there is none."""
    _check_there(registry)
    project = registry.project(name)
    if project is None:
        near = nearest(name, (p.name for p in registry.projects))
        raise UsageError(
            f"no project is called {name!r}",
            f"did you mean {near!r}?" if near else "`repoman list` shows them all",
        )
    return project


def plan(registry: Registry, name: str | None, jobs: int | None, options: SyncOptions) -> SyncPlan:
    """Plan a sync of the project called `name`, or of all that have a backup.

    Projects that were never mirrored come first, then those whose mirror is the oldest.
    """
    if jobs is not None and jobs < 1:
        raise UsageError(f"--jobs {jobs}", "it has to be at least 1")
    jobs = jobs or registry.defaults.jobs
    if name is None:
        _check_there(registry)
        backed_up = sorted((p for p in registry.projects if p.backup), key=lambda p: p.last_sync)
        return SyncPlan(tuple(backed_up), jobs, options, one=False)
    project = find_project(registry, name)
    if not project.backup:
        raise UsageError(
            f"project {name!r} has backup = false", "set it to true in the registry to mirror it"
        )
    return SyncPlan((project,), 1, options, one=True)


def exit_code(plan: SyncPlan, outcomes: Sequence[Outcome]) -> ExitCode:
    """The command's exit code: the project's own where one was named, else what it amounts to."""
    failed = [outcome.code for outcome in outcomes if not outcome.ok]
    if not failed:
        return ExitCode.OK
    if ExitCode.INTERRUPTED in failed:
        return ExitCode.INTERRUPTED
    if ExitCode.TARGET in failed:
        return ExitCode.TARGET
    return failed[0] if plan.one else ExitCode.SOME_FAILED


def total(outcomes: Iterable[Outcome]) -> Counts:
    """The sum of what changed."""
    return sum((outcome.counts for outcome in outcomes), Counts())

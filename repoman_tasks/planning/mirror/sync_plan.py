"""Plan and result of a sync: projects, number of jobs, outcomes, exit code. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, field

from repoman_tasks.errors import ExitCode, RepomanError, UsageError, internal_error, one_line
from repoman_tasks.late_dataclass import dataclass
from repoman_tasks.model import Altered, Mirrored, Project, Registry, Tally
from repoman_tasks.planning.names import nearest, with_parents

__all__ = [
    "Counts",
    "Outcome",
    "SyncOptions",
    "SyncPlan",
    "check_registry",
    "find_project",
    "first_symlink",
    "plan_sync",
    "sync_batches",
    "sync_exit_code",
    "total_counts",
]


_MIN_BATCH = 8
"""Number of projects for which starting another find is worth its time."""
_MIN_FILES = 1000
"""Number of files for which that is."""
_MOST_FILES = 20_000
"""The files of a group, unless one project has more."""


@dataclass(frozen=True)
class SyncOptions:
    """Options of `sync`."""

    delete: bool = True
    dry_run: bool = False
    force: bool = False
    wait: bool = False
    full: bool = False
    checksum: bool = False
    """Compare by content, not by size and time."""
    itemize: bool = False
    progress: bool = False


@dataclass(frozen=True)
class SyncPlan:
    """Projects to mirror, and how many of them at the same time."""

    projects: tuple[Project, ...]
    jobs: int
    options: SyncOptions
    single: bool
    """True if one project was named, whose exit code becomes that of the command."""


@dataclass
class Counts:
    """Numbers of changed entries in a mirror, and of bytes in the files that were sent."""

    new: int = 0
    changed: int = 0
    deleted: int = 0
    attributes: int = 0
    bytes: int = 0

    def add(self, kind: str, size: int) -> None:
        """Count one entry; `kind` is the name of an attribute."""
        setattr(self, kind, getattr(self, kind) + 1)
        self.bytes += size

    @property
    def entries(self) -> int:
        """Number of entries that differ in content or attributes."""
        return self.new + self.changed + self.deleted + self.attributes

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            *(left + right for left, right in zip(astuple(self), astuple(other), strict=True))
        )


@dataclass
class Outcome:
    """Outcome of the sync of one project."""

    name: str
    code: ExitCode = ExitCode.OK
    what: str = ""
    """The error; empty if it succeeded."""
    cure: str = ""
    counts: Counts = field(default_factory=Counts)
    seconds: float = 0.0
    warnings: list[str] = field(default_factory=list)
    tally: Tally | None = None
    state: Mirrored | None = None
    """State of the mirror now; the last state itself if nothing had to be compared."""
    unchanged: bool = False
    """If true, nothing had to be compared."""
    synced_at: str = ""
    stopped_at: str = ""
    ended_at: str = ""
    noted: bool = False
    """If true, the state has it already, though the registry may not."""
    altered: Altered | None = None
    """Changes of the mirror by something else, if a full comparison found some."""
    busy: bool = False
    """If true, another sync of the project was running, and so nothing was done."""

    @property
    def ok(self) -> bool:
        """True if the mirror of the project is complete."""
        return self.code is ExitCode.OK

    @property
    def error(self) -> str:
        """The error, with its cure."""
        return one_line(f"{self.what}: {self.cure}" if self.cure else self.what)

    def fail(self, error: BaseException) -> None:
        """Take the code of `error` and its text; one that is no RepomanError is a bug."""
        if isinstance(error, RepomanError):
            failed = error.code is ExitCode.FAILED
            self.code = ExitCode.SOME_FAILED if failed else error.code
            self.what, self.cure = error.what, error.cure
        else:
            self.code, self.what = ExitCode.SOME_FAILED, internal_error(error)


def first_symlink(roots: Mapping[str, str], repo: str) -> str:
    """Return the first path on the way to the mirror of `repo` that is a symlink, or "".

    `roots` has what identifies paths on the share; it begins with find's letter of the kind.
    """
    return next((path for path in with_parents(repo) if roots.get(path, "").startswith("l")), "")


def sync_batches(
    projects: Sequence[Project], files: Mapping[str, int], jobs: int
) -> list[list[Project]]:
    """Group those of `projects` that are in `files`, which has the number of files of each.

    A listing is in memory, so none gets much larger than that of the largest project; and `jobs`
    groups are wanted if starting another find is worth its time.
    """
    group = [project for project in projects if project.name in files]
    total = sum(files[project.name] for project in group)
    worth = max(-(-len(group) // _MIN_BATCH), total // _MIN_FILES)
    count = min(len(group), max(min(jobs, worth), -(-total // _MOST_FILES)))
    return [group[n::count] for n in range(count)]


def check_registry(registry: Registry) -> None:
    """Raise UsageError if there is no registry yet."""
    if registry.missing:
        raise UsageError("there is no registry yet", "run `repoman setup`")


def find_project(registry: Registry, name: str) -> Project:
    """Return the project called `name`. Raise UsageError if there is none."""
    check_registry(registry)
    project = registry.project(name)
    if project is None:
        near = nearest(name, (p.name for p in registry.projects))
        raise UsageError(
            f"no project is called {name!r}",
            f"did you mean {near!r}?" if near else "list them with `repoman list`",
        )
    return project


def plan_sync(
    registry: Registry, name: str | None, jobs: int | None, options: SyncOptions
) -> SyncPlan:
    """Plan a sync of the project called `name`, or of all projects with a backup.

    Projects that were never mirrored come first, then those with the oldest mirrors. Raise
    UsageError if there is nothing to plan for these arguments.
    """
    if jobs is not None and jobs < 1:
        raise UsageError(f"--jobs {jobs}", "must be at least 1")
    jobs = jobs or registry.defaults.jobs
    if name is None:
        check_registry(registry)
        backed_up = sorted((p for p in registry.projects if p.backup), key=lambda p: p.last_sync)
        return SyncPlan(tuple(backed_up), jobs, options, single=False)
    project = find_project(registry, name)
    if not project.backup:
        raise UsageError(
            f"project {name!r} has backup = false", "set it to true in the registry to mirror it"
        )
    return SyncPlan((project,), 1, options, single=True)


def sync_exit_code(plan: SyncPlan, outcomes: Sequence[Outcome]) -> ExitCode:
    """Return the exit code of `sync`: of its project if one was named, else of all together."""
    failed = [outcome.code for outcome in outcomes if not outcome.ok]
    if not failed:
        return ExitCode.OK
    if ExitCode.INTERRUPTED in failed:
        return ExitCode.INTERRUPTED
    if ExitCode.TARGET in failed:
        return ExitCode.TARGET
    return failed[0] if plan.single else ExitCode.SOME_FAILED


def total_counts(outcomes: Iterable[Outcome]) -> Counts:
    """Return the sum of the counts of all outcomes."""
    return sum((outcome.counts for outcome in outcomes), Counts())

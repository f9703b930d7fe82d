"""Run rsync once, over one repo, a part of it, or several."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field, replace

from repoman_tasks.errors import ExitCode, Failed, RepomanError, without_backticks
from repoman_tasks.hosts.base import Host, Lock, OutOfTime, Result
from repoman_tasks.late_dataclass import dataclass
from repoman_tasks.mirror.events import Event, Itemized, Progress
from repoman_tasks.model import Mirrored, Project, Registry
from repoman_tasks.planning.mirror.growth import with_growth
from repoman_tasks.planning.mirror.inner_mounts import InnerMounts
from repoman_tasks.planning.mirror.known_mirrors import Mirrors, is_due, trusted, undisturbed
from repoman_tasks.planning.mirror.source_check import stopped_cure, valid_state
from repoman_tasks.planning.mirror.sync_plan import Counts, Outcome, SyncOptions
from repoman_tasks.planning.names import with_parents
from repoman_tasks.tools import rsync
from repoman_tasks.tools.file_tree import Census, NameSampler, is_loose_object
from repoman_tasks.tools.share import Share

__all__ = [
    "Equal",
    "Pass",
    "PassFailed",
    "SyncContext",
    "count_entries",
    "list_entries",
    "mirrored",
    "out_of_time",
    "run_pass",
]

_MOST_NAMED = 20
"""The most lines of standard error to keep of one rsync."""
_MOST_SHOWN = 3
"""The most of them to show in an error."""
_SECONDS_BETWEEN_PROGRESS = 0.1
_PARTIAL = 23
"""Exit status of rsync if some files could not be copied."""
_STOPPED = 25
"""Exit status of rsync if it reached --max-delete; another error can hide it."""


@dataclass(frozen=True)
class SyncContext:
    """The parts of a run that all of its projects share."""

    host: Host
    share: Share
    roots: Mapping[str, str]
    """Identities of the mirrors and their parent folders that existed when the run began."""
    registry: Registry
    local_repos: str
    options: SyncOptions
    emit: Callable[[Event], None]
    now: Callable[[], str]
    lock_path: Callable[[str], str]
    manifest_path: Callable[[str], str]
    mirrors: Mirrors = field(default_factory=Mirrors)
    """States that the last syncs left."""
    token: str = ""
    """The token that the share had when the run began."""
    hostname: str = ""
    """That of the host whose repos are mirrored."""
    before_write: Callable[[Sequence[str]], None] = lambda _: None
    """Called before each rsync that may write, with the names of its projects."""
    inner_mounts: Mapping[str, InnerMounts] = field(default_factory=dict)
    """The file systems in repos, by project; only of projects that have some."""

    @property
    def dry(self) -> bool:
        """Return True if nothing may be written."""
        return self.options.dry_run or self.host.dry

    def last(self, project: Project) -> Mirrored | None:
        """Return what the last sync of `project` to its mirror left; None if that is not known."""
        return valid_state(project, self.mirrors.projects.get(project.name))

    def settled(self, project: Project) -> Mirrored | None:
        """Return the state of a mirror that equals the repo if both are as the last sync left them;
        None if there may be none, or if a sync has to look at it first."""
        state = self.last(project)
        if state is None or not state.digest or state.written or project.stopped_at:
            return None
        inner = self.inner(project)
        if state.mounts or inner.paths or inner.problem is not None:
            return None
        return state if state.rules == self.rules_hash(project) else None

    def trusted(self, project: Project) -> Mirrored | None:
        """Return the state of a mirror if that is as the last sync left it, and not due to be
        compared in full."""
        root = self.roots.get(project.repo, "")
        state = trusted(self.mirrors, project, self.token, self.rules_hash(project), root)
        every = self.registry.defaults.full_every
        if state is None or is_due(project.name, state.compared, self.now(), every):
            return None
        return state

    def undisturbed(self, project: Project) -> bool:
        """Return True if no sync has written to the mirror since the last one."""
        rules = self.rules_hash(project)
        return undisturbed(self.mirrors, project, self.token, rules) is not None

    def check_mounts(self, project: Project) -> None:
        """Raise the error that keeps the project from being mirrored with the file systems in it.

        Nothing has touched them by then but children with a time limit.
        """
        problem = self.inner(project).problem
        if problem is not None:
            raise problem

    def inner(self, project: Project) -> InnerMounts:
        """Return the file systems in the project's repo."""
        return self.inner_mounts.get(project.name, InnerMounts())

    def same_mounts(self, project: Project) -> bool:
        """Return True if the repo has the same file systems in it as at its last sync."""
        last = self.last(project)
        return last is None or set(last.mounts) == set(self.inner(project).paths)

    def rules_hash(self, project: Project) -> str:
        """Return a hash of all that decides what of the repo its mirror holds, and how."""
        rules = rsync.filters(project.repo, self.registry.excludes(project))
        argv = rsync.pass_argv(self.local_repos, [project.repo], rules, self.keeps)
        return hashlib.sha256("\0".join(argv).encode(errors="surrogateescape")).hexdigest()

    @property
    def keeps(self) -> rsync.Preserved:
        """Return the metadata of files that the share preserves."""
        probe = self.share.probe
        return rsync.Preserved(
            *(probe.keeps_owners, probe.keeps_groups, probe.keeps_nanoseconds),
            case=not probe.folds_case,
            modes=probe.keeps_modes,
            times=probe.keeps_times,
            links=probe.keeps_links,
            odd_seconds=probe.keeps_odd_seconds,
        )


@dataclass
class Pass:
    """The result of one rsync; `counts` by project name."""

    counts: dict[str, Counts]
    complaints: list[str] = field(default_factory=list)
    vanished: int = 0
    stopped: bool = False
    """If true, rsync reached --max-delete."""
    discarded: bool = False
    """If true, rsync left out a filter rule."""
    loose_new: int = 0
    loose_deleted: int = 0

    @property
    def deleted(self) -> int:
        """Return the number of deleted entries."""
        return sum(counts.deleted for counts in self.counts.values())

    def complain(self, line: bytes) -> None:
        """Process one line of standard error."""
        self.vanished += rsync.reports_vanished(line)
        self.stopped |= rsync.reports_max_delete(line)
        self.discarded |= rsync.discards_rule(line)
        if len(self.complaints) < _MOST_NAMED:
            text = rsync.unescaped(line).decode(errors="replace")
            self.complaints.append(without_backticks(text))


@dataclass(frozen=True)
class Equal:
    """The walk over a repo that its mirror equals; see `Mirrored` for the fields."""

    digest: str = ""
    written: tuple[str, ...] = ()
    compared: str = ""
    """Empty if it was compared in full just now."""


class PassFailed(RepomanError):
    """rsync did not copy everything; the exit code tells a fault of the share from others."""

    def __init__(self, projects: Sequence[Project], status: int, done: Pass) -> None:
        complaints = done.complaints
        status = _STOPPED if done.stopped else status
        self.refused = status == _STOPPED
        what, self.code = rsync.status_message(status), rsync.exit_code(status)
        self.torn = status == _PARTIAL and all(map(rsync.changed_while_read, complaints))
        self.vanished = status == _PARTIAL and all(map(rsync.misses_source, complaints))
        reasons = [text for text in complaints if not text.startswith("rsync error:")]
        cure = "; ".join(reasons[:_MOST_SHOWN])
        cure += f"; and {len(reasons) - _MOST_SHOWN} more" if len(reasons) > _MOST_SHOWN else ""
        fault = next(filter(None, map(rsync.target_fault, complaints)), "")
        if reasons and all(map(rsync.refuses_metadata, reasons)):
            what, cure = rsync.METADATA_REFUSED
        if lacking := next(filter(None, map(rsync.share_lacks, complaints)), ""):
            what, cure = lacking, f"exclude what it can't hold: {cure}"
        if self.refused:
            cure = stopped_cure(projects[0].name)
        elif fault:
            what, self.code = fault, ExitCode.TARGET
        super().__init__(what, cure)


def run_pass(
    context: SyncContext,
    projects: Sequence[Project],
    locks: Sequence[Lock],
    sources: Sequence[str],
    rules: Sequence[str] = (),
    max_delete: int | None = None,
    *,
    only: str = "",
    contents: bool = False,
    backup: str = "",
    until: float = math.inf,
) -> Pass:
    """Copy `sources`, paths of `projects` relative to local_repos, to the share.

    `rules` are filter rules to put before those of the projects; for `only`, `contents` and
    `backup` see `rsync.pass_argv`. Raise PassFailed if rsync did not copy everything, and Failed at
    the time `until`, of the monotonic clock; files that vanished meanwhile are only counted.
    """
    options = context.options
    argv = rsync.pass_argv(
        context.local_repos,
        sources,
        [*rules, *_excluding(context, projects)],
        context.keeps,
        delete=options.delete,
        max_delete=max_delete,
        dry_run=options.dry_run,
        progress=options.progress,
        only=only,
        contents=contents or options.checksum,
        backup=backup,
    )
    done = Pass({project.name: Counts() for project in projects})
    reader = _Reader(projects, done, options.itemize, context.emit)
    status = _run_rsync(context, argv, reader, locks, until)
    if rsync.exit_code(status) is not ExitCode.OK or done.discarded:
        raise PassFailed(projects, status or _PARTIAL, done)
    return done


def _excluding(context: SyncContext, projects: Sequence[Project]) -> list[str]:
    """Return the filter rules of `projects`."""
    excludes = [(project.repo, context.registry.excludes(project)) for project in projects]
    return rsync.filters_of_all(excludes)


def _run_rsync(
    context: SyncContext,
    argv: Sequence[str],
    reader: _Reader,
    locks: Sequence[Lock],
    until: float,
) -> int:
    """Run rsync in the share and return its exit status. Raise Failed at the time `until`."""
    if not context.dry:
        context.before_write(reader.projects)
    left = until - time.monotonic()
    try:
        return context.host.stream(
            argv,
            reader,
            reader.complain,
            cwd=context.share.root,
            shown_cwd=context.share.probe.path,
            stall_seconds=context.registry.defaults.stall_seconds,
            limit_seconds=max(0.001, left) if left < math.inf else 0,
            keep=locks,
        )
    except OutOfTime:
        raise out_of_time(context) from None


def out_of_time(context: SyncContext) -> Failed:
    """Return the error for a project whose sync takes longer than sync_seconds."""
    limit = context.registry.defaults.sync_seconds
    return Failed(
        f"not complete after {limit} s, the limit of sync_seconds",
        "the next sync goes on; if that is too slow, raise sync_seconds in [defaults] or exclude "
        "what need not be mirrored",
    )


def mirrored(
    context: SyncContext, project: Project, outcome: Outcome, equal: Equal
) -> Mirrored | None:
    """Return the state of a mirror after a complete sync."""
    tally = outcome.tally
    if tally is None:
        return None
    if not context.options.delete:  # what is gone from the repo is still in the mirror
        last = context.last(project)
        tally = replace(tally, newest=last.tally.newest if last else 1)
    state = Mirrored(
        outcome.synced_at,
        tally,
        digest=equal.digest,
        rules=context.rules_hash(project),
        compared=equal.compared or outcome.synced_at,
        mounts=context.inner(project).paths,
        warnings=tuple(outcome.warnings),
        written=equal.written,
    )
    return with_growth(state, context.last(project))


def count_entries(
    context: SyncContext, project: Project, sampler: NameSampler | None = None
) -> Census:
    """Count the entries that a pass over the project's repo copies, without excluded ones."""
    census = Census(sampler)

    def add(path: bytes, size: int) -> None:
        census.add(path.rstrip(b"/"), size, folder=path.endswith(b"/"))

    list_entries(context, project, add)
    return census


def list_entries(
    context: SyncContext, project: Project, see: Callable[[bytes, int], object]
) -> None:
    """Call `see` with the path of each entry that a pass copies, and the bytes of a file.

    Paths are relative to the repo; folders end with /.
    """
    prefix = len(project.repo.encode(errors="surrogateescape")) + 1

    def read(line: bytes) -> None:
        item = rsync.parse_item(line)
        if item is not None and len(item.path) > prefix:
            see(item.path[prefix:], item.size)

    rules = rsync.filters(project.repo, context.registry.excludes(project))
    argv = rsync.listing_argv(context.local_repos, project.repo, rules)
    complaints: list[bytes] = []
    status = context.host.stream(argv, read, complaints.append, changes=False)
    if rsync.exit_code(status) not in (ExitCode.OK, ExitCode.SOME_FAILED):
        raise Failed(
            rsync.status_message(status), Result((), status, err=b"\n".join(complaints)).complaint
        )


class _Reader:
    """Counts the changes that rsync itemizes, and emits events."""

    def __init__(
        self,
        projects: Sequence[Project],
        done: Pass,
        itemize: bool,
        emit: Callable[[Event], None],
    ) -> None:
        self._names = {project.repo: project.name for project in projects}
        self._done = done
        self._itemize = itemize
        self._emit = emit
        self._told = 0.0
        self.projects = list(done.counts)
        """Names of the projects."""
        self.complain = done.complain

    def __call__(self, line: bytes) -> None:
        item = rsync.parse_item(line)
        if item is None:
            self._progress(line)
            return
        path = item.path.decode(errors="surrogateescape")
        repo = next((part for part in with_parents(path) if part in self._names), None)
        if repo is not None:  # else a parent folder of a repo
            self._count(self._names[repo], item, path[len(repo) + 1 :])

    def _count(self, name: str, item: rsync.Item, path: str) -> None:
        self._done.counts[name].add(item.kind.value, item.size)
        if is_loose_object(path.encode(errors="surrogateescape")):
            self._done.loose_new += item.kind is rsync.Kind.NEW
            self._done.loose_deleted += item.kind is rsync.Kind.DELETED
        if self._itemize:
            self._emit(Itemized(name, item.kind, path or "./", item.size))

    def _progress(self, line: bytes) -> None:
        now = time.monotonic()
        progress = rsync.parse_progress(line)
        if progress and now - self._told >= _SECONDS_BETWEEN_PROGRESS:
            self._told = now
            for name in self._done.counts:
                self._emit(Progress(name, *progress))

"""One run of rsync over one repo, a part of it, or several."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from repoman_tasks.errors import ExitCode, Failed, RepomanError
from repoman_tasks.hosts.base import Host, Lock, Result
from repoman_tasks.mirror.events import Event, Itemized, Progress
from repoman_tasks.model import Project, Registry
from repoman_tasks.planning.mirror.sync_plan import Counts, SyncOptions
from repoman_tasks.planning.names import with_parents
from repoman_tasks.tools import rsync
from repoman_tasks.tools.file_tree import Census, is_loose_object
from repoman_tasks.tools.share import Share

__all__ = ["Pass", "PassFailed", "SyncContext", "carried", "run_pass"]

_MOST_NAMED = 20
"""So many complaints of one rsync are kept."""
_SECONDS_BETWEEN_PROGRESS = 0.1
_PARTIAL = 23
"""rsync's exit status for files that it could not copy."""
_STOPPED = 25
"""rsync's exit status for more deletions than it might do; another error can hide it."""


@dataclass(frozen=True)
class SyncContext:
    """What is the same for every project of a run."""

    host: Host
    share: Share
    modes: Mapping[str, int]
    """The st_mode of each mirror, and what leads to it, that was there when the run began."""
    registry: Registry
    local_repos: str
    options: SyncOptions
    emit: Callable[[Event], None]
    now: Callable[[], str]
    lock_path: Callable[[str], str]

    @property
    def keeps(self) -> rsync.Keeps:
        """What the share keeps of a file's metadata."""
        probe = self.share.probe
        return rsync.Keeps(probe.keeps_owners, probe.keeps_groups, probe.keeps_nanoseconds)


@dataclass
class Pass:
    """What one run of rsync did; `counts` by the name of the project."""

    counts: dict[str, Counts]
    complaints: list[str] = field(default_factory=list)
    vanished: int = 0
    stopped: bool = False
    """Whether there was more to delete than it might."""
    loose_new: int = 0
    loose_deleted: int = 0

    @property
    def deleted(self) -> int:
        """Entries that it deleted."""
        return sum(counts.deleted for counts in self.counts.values())

    def complain(self, line: bytes) -> None:
        """Take one line of standard error."""
        self.vanished += rsync.vanished(line)
        self.stopped |= rsync.stopped(line)
        if len(self.complaints) < _MOST_NAMED:
            self.complaints.append(rsync.unescaped(line).decode(errors="replace"))


class PassFailed(RepomanError):
    """rsync did not copy everything; the code says whose fault it was."""

    def __init__(self, projects: Sequence[Project], status: int, done: Pass) -> None:
        complaints = done.complaints
        status = _STOPPED if done.stopped else status
        self.refused = status == _STOPPED
        what, self.code = rsync.sentence(status), rsync.exit_code(status)
        self.torn = status == _PARTIAL and all(map(rsync.torn, complaints))
        cure = "; ".join(text for text in complaints if not text.startswith("rsync error:"))
        fault = next(filter(None, map(rsync.target_fault, complaints)), "")
        if self.refused:
            cure = f"`repoman sync {projects[0].name} --force`"
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
) -> Pass:
    """Carry `sources`, paths of `projects` relative to local_repos, to the share.

    `rules` are filter rules that come before the projects' own. `PassFailed` where rsync
    did not do all of it; files that vanished meanwhile are counted instead.
    """
    options = context.options
    excludes = [(project.repo, context.registry.excludes(project)) for project in projects]
    argv = rsync.pass_argv(
        context.local_repos,
        sources,
        [*rules, *rsync.filters_of_all(excludes)],
        context.keeps,
        delete=options.delete,
        max_delete=max_delete,
        dry_run=options.dry_run,
        progress=options.progress,
    )
    done = Pass({project.name: Counts() for project in projects})
    status = context.host.stream(
        argv,
        _Reader(projects, done, options.itemize, context.emit),
        done.complain,
        cwd=context.share.root,
        shown_cwd=context.share.probe.path,
        stall_seconds=context.registry.defaults.stall_seconds,
        keep=locks,
    )
    if rsync.exit_code(status) is not ExitCode.OK:
        raise PassFailed(projects, status, done)
    return done


def carried(context: SyncContext, project: Project) -> Census:
    """Count what a pass over the project's repo carries, excluded files left out."""
    census = Census()
    prefix = len(project.repo.encode(errors="surrogateescape")) + 1

    def see(line: bytes) -> None:
        item = rsync.parse_item(line)
        if item is not None and len(item.path) > prefix:
            census.see(item.path[prefix:].rstrip(b"/"), folder=item.path.endswith(b"/"))

    rules = rsync.filters(project.repo, context.registry.excludes(project))
    argv = rsync.listing_argv(context.local_repos, project.repo, rules)
    complaints: list[bytes] = []
    status = context.host.stream(argv, see, complaints.append, changes=False)
    if rsync.exit_code(status) not in (ExitCode.OK, ExitCode.SOME_FAILED):
        raise Failed(
            rsync.sentence(status), Result((), status, err=b"\n".join(complaints)).complaint
        )
    return census


class _Reader:
    """Counts what rsync says and hands on what somebody wants to see."""

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

    def __call__(self, line: bytes) -> None:
        item = rsync.parse_item(line)
        if item is None:
            self._progress(line)
            return
        path = item.path.decode(errors="surrogateescape")
        repo = next((part for part in with_parents(path) if part in self._names), None)
        if repo is not None:  # else a folder that leads to a repo
            self._count(self._names[repo], item, path[len(repo) + 1 :])

    def _count(self, name: str, item: rsync.Item, path: str) -> None:
        self._done.counts[name].add(item.kind.value, item.size)
        if is_loose_object(path.encode(errors="surrogateescape")):
            self._done.loose_new += item.kind is rsync.Kind.NEW
            self._done.loose_deleted += item.kind is rsync.Kind.DELETED
        if self._itemize:
            self._emit(Itemized(name, item.kind, path or "./"))

    def _progress(self, line: bytes) -> None:
        now = time.monotonic()
        progress = rsync.parse_progress(line)
        if progress and now - self._told >= _SECONDS_BETWEEN_PROGRESS:
            self._told = now
            for name in self._done.counts:
                self._emit(Progress(name, *progress))

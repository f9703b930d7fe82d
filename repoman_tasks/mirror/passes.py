"""One run of rsync over parts of one repo."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from repoman_tasks.errors import ExitCode, RepomanError
from repoman_tasks.host import Host, Lock
from repoman_tasks.mirror.events import Event, Itemized, Progress
from repoman_tasks.model import Project, Registry
from repoman_tasks.planning.sync import Counts, SyncOptions
from repoman_tasks.tools import rsync
from repoman_tasks.tools.share import Share

__all__ = ["Pass", "PassFailed", "Setting", "run_pass"]

_MOST_NAMED = 20
"""So many complaints of one rsync are kept."""
_SECONDS_BETWEEN_PROGRESS = 0.1


@dataclass(frozen=True)
class Setting:
    """What is the same for every project of a run."""

    host: Host
    share: Share
    registry: Registry
    local_repos: str
    options: SyncOptions
    emit: Callable[[Event], None]
    now: Callable[[], str]

    @property
    def keeps(self) -> rsync.Keeps:
        """What the share keeps of a file's metadata."""
        probe = self.share.probe
        return rsync.Keeps(probe.keeps_owners, probe.keeps_groups, probe.keeps_nanoseconds)


@dataclass
class Pass:
    """What one run of rsync did."""

    counts: Counts = field(default_factory=Counts)
    complaints: list[str] = field(default_factory=list)
    vanished: int = 0

    def complain(self, line: bytes) -> None:
        """Take one line of standard error."""
        if rsync.vanished(line):
            self.vanished += 1
        if len(self.complaints) < _MOST_NAMED:
            self.complaints.append(rsync.unescaped(line).decode(errors="replace"))


class PassFailed(RepomanError):
    """rsync did not copy everything; the code says whether it refused or failed."""

    def __init__(self, project: str, status: int, complaints: Sequence[str]) -> None:
        code = rsync.exit_code(status)
        named = "; ".join(
            complaint for complaint in complaints if not complaint.startswith("rsync error:")
        )
        cure = f"`repoman sync {project} --force`" if code is ExitCode.REFUSED else named
        super().__init__(rsync.sentence(status), cure)
        self.code = code


def run_pass(
    setting: Setting,
    project: Project,
    lock: Lock | None,
    sources: Sequence[str],
    rules: Sequence[str] = (),
    max_delete: int | None = None,
) -> Pass:
    """Carry `sources`, paths relative to local_repos, to the share.

    `rules` are filter rules that come before the project's own. `PassFailed` where rsync
    did not do all of it; files that vanished meanwhile are counted instead.
    """
    options = setting.options
    words = rsync.pass_words(
        setting.local_repos,
        sources,
        [*rules, *rsync.filters(project.repo, setting.registry.excludes(project))],
        setting.keeps,
        delete=options.delete,
        max_delete=max_delete,
        dry_run=options.dry_run,
        progress=options.progress,
    )
    done = Pass()
    status = setting.host.stream(
        words,
        _Reader(project, options.itemize, done.counts, setting.emit),
        done.complain,
        cwd=setting.share.root,
        stall_seconds=setting.registry.defaults.stall_seconds,
        keep=lock,
    )
    if rsync.exit_code(status) is not ExitCode.OK:
        raise PassFailed(project.name, status, done.complaints)
    return done


class _Reader:
    """Counts what rsync says and hands on what somebody wants to see."""

    def __init__(
        self, project: Project, itemize: bool, counts: Counts, emit: Callable[[Event], None]
    ) -> None:
        self._name = project.name
        self._prefix = project.repo.encode(errors="surrogateescape") + b"/"
        self._itemize = itemize
        self._counts = counts
        self._emit = emit
        self._told = 0.0

    def __call__(self, line: bytes) -> None:
        item = rsync.parse_item(line)
        if item is None:
            self._progress(line)
        elif item.path.startswith(self._prefix):  # else a folder that leads to the repo
            self._counts.add(item.kind.value, item.size)
            if self._itemize:
                path = item.path[len(self._prefix) :] or b"./"
                self._emit(Itemized(self._name, rsync.Item(item.kind, path, item.size)))

    def _progress(self, line: bytes) -> None:
        now = time.monotonic()
        progress = rsync.parse_progress(line)
        if progress and now - self._told >= _SECONDS_BETWEEN_PROGRESS:
            self._told = now
            self._emit(Progress(self._name, *progress))

"""Compare mirrors with their repos, by content, and write nothing on the share.

rsync compares by the rules of a sync, so all that a sync carries is compared, and nothing else is
taken for damage. A difference is damage if the repo has not changed there since the last sync.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from repoman_tasks.errors import Busy, Failed, RepomanError, internal_error, quoted
from repoman_tasks.hosts.base import Locked
from repoman_tasks.mirror.events import Event, Itemized
from repoman_tasks.mirror.project_sync import check_paths, submit_survey
from repoman_tasks.mirror.rsync_pass import (
    PassFailed,
    SyncContext,
    count_entries,
    list_entries,
    run_pass,
)
from repoman_tasks.model import Project, Verified
from repoman_tasks.planning.mirror.damage import (
    ABSENT,
    ATTRIBUTES,
    DIFFERENT,
    EXTRA,
    Sample,
    Verdict,
    choose_samples,
    is_damage,
    proven_by,
    with_folders,
)
from repoman_tasks.planning.mirror.sync_plan import SyncOptions
from repoman_tasks.tools.file_tree import PRUNED, submit_ctime
from repoman_tasks.tools.git_objects import check_objects
from repoman_tasks.tools.rsync import Kind, exclude_path

__all__ = ["verify_project"]

_AT_ONCE = 200
"""Number of files of a sample that one rsync compares."""
_HOW = {
    Kind.NEW: ABSENT,
    Kind.DELETED: EXTRA,
    Kind.CHANGED: DIFFERENT,
    Kind.ATTRIBUTES: ATTRIBUTES,
}


def verify_project(
    context: SyncContext,
    project: Project,
    before: Verified,
    *,
    percent: float | None,
    state_folder: str,
    until: float | None = None,
) -> Verdict:
    """Compare the mirror of `project`, all of it or the next `percent`; never raise an error.

    A sample ends early at the time `until`, of the monotonic clock. `before` is what was proven so
    far; `state_folder` is for repositories of git.
    """
    verdict = Verdict(project.name, verified=before)
    began = time.monotonic()
    try:
        with context.host.lock(context.lock_path(project.name)):
            _Verification(context, project, verdict, state_folder).run(percent, until)
    except Locked as error:
        verdict.fail(Busy(f"a sync of it is running, {error}", "let it finish"))
    except RepomanError as error:
        verdict.fail(error)
    except Exception as error:  # a bug fails this project, but not the others
        verdict.fail(Failed(internal_error(error), ""))
    verdict.seconds = time.monotonic() - began
    return verdict


class _Verification:
    def __init__(
        self, context: SyncContext, project: Project, verdict: Verdict, state_folder: str
    ) -> None:
        self._context = context
        self._project = project
        self._verdict = verdict
        self._state_folder = state_folder
        self._root = f"{context.local_repos}/{project.repo}"
        self._items: dict[bytes, str] = {}
        """The kind of difference of each entry, by its path."""

    def run(self, percent: float | None, until: float | None) -> None:
        context, project = self._context, self._project
        if not project.last_sync:
            raise Failed("never mirrored", f"run `repoman sync {quoted(project.name)}`")
        context.check_mounts(project)
        check_paths(context, project, context.host.real_folder(self._root))
        sample = None if percent is None else self._compare_sample(percent, until)
        git_dirs = self._compare_all() if sample is None else ()
        self._judge()  # before git reads objects: what it can't read must not hide damage
        self._check_objects(git_dirs)
        verdict, now = self._verdict, context.now()
        verdict.verified = proven_by(verdict, project, verdict.verified, sample, now)

    def _compare_all(self) -> tuple[bytes, ...]:
        """Compare all entries; return the git directories among them."""
        census = count_entries(self._context, self._project)
        tally = census.tally("", 0)
        self._verdict.files = tally.files + tally.loose
        self._compare([""], delete=True)
        return census.git_dirs()

    def _check_objects(self, git_dirs: Sequence[bytes]) -> None:
        share = self._context.share
        stall = self._context.registry.defaults.stall_seconds
        for git_dir in git_dirs:
            path = f"{self._project.repo}/{git_dir.decode(errors='surrogateescape')}"
            self._verdict.objects += check_objects(share, path, self._state_folder, stall)

    def _compare_sample(self, percent: float, until: float | None) -> Sample:
        """Compare the next files until `percent` of all, or the time, is used up."""
        files: list[tuple[str, int]] = []

        def add(path: bytes, size: int) -> None:
            if not path.endswith(b"/"):
                files.append((path.decode(errors="surrogateescape"), size))

        list_entries(self._context, self._project, add)
        done: list[str] = []
        parts = choose_samples(files, self._verdict.verified.after, percent, _AT_ONCE)
        for sample in parts:
            self._compare(sample.paths, delete=False)
            done += sample.paths
            if until is not None and time.monotonic() > until:
                break
        self._verdict.files = len(done)
        return replace(sample, paths=tuple(done))

    def _compare(self, paths: Sequence[str], *, delete: bool) -> None:
        """Have rsync list the entries of the mirror at `paths` that differ; empty for all."""
        options = SyncOptions(delete=delete, dry_run=True, checksum=True, itemize=True)
        named = set(paths) - {""}

        def see(event: Event) -> None:
            if isinstance(event, Itemized) and (not named or event.path in named):
                path = event.path.encode(errors="surrogateescape").rstrip(b"/")
                self._items[b"" if path == b"." else path] = _HOW[event.kind]

        context = replace(self._context, options=options, emit=see)
        sources = [f"{self._project.repo}/{path}" for path in paths]
        try:
            if sources:
                run_pass(context, [self._project], [], sources, self._left_out())
        except PassFailed as failure:
            if not failure.vanished:
                raise

    def _left_out(self) -> list[str]:
        """Return the rules for what the share does not tell from another entry."""
        if not self._context.share.probe.folds_case:
            return []
        survey = submit_survey(self._context, self._project).result()
        paths = (path.decode(errors="surrogateescape") for path in survey.folded)
        return [exclude_path(f"{self._project.repo}/{path}") for path in paths]

    def _judge(self) -> None:
        """Tell damage from changes of the repo."""
        if not self._items:
            return
        last = self._context.last(self._project)
        newest = (last and last.tally.newest) or _nanoseconds(self._project.last_sync)
        same_rules = last is None or last.rules == self._context.rules_hash(self._project)
        ctimes, absent = self._ctimes(), {p for p, how in self._items.items() if how == ABSENT}
        for path, how in sorted(self._items.items()):
            of_rules = not same_rules and how in (ABSENT, EXTRA)
            if not of_rules and is_damage(path, how, absent, ctimes, newest):
                self._verdict.damaged[path.decode(errors="surrogateescape") or "."] = how
            else:
                self._verdict.changed += 1

    def _ctimes(self) -> dict[bytes, int]:
        """Return the ctimes of what differs, and of the folders above, that are in the repo."""
        wanted = {parent for path in self._items for parent in with_folders(path)}
        host = self._context.host
        found = {b"": submit_ctime(host, self._root).result()}
        for entry in host.walk(self._root, prune=PRUNED):
            if entry.path in wanted:
                found[entry.path] = entry.ctime_ns
        return found


def _nanoseconds(time_: str) -> int:
    """Return a time of the registry in nanoseconds since the epoch."""
    return int(datetime.fromisoformat(time_).timestamp()) * 10**9

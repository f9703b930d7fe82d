"""Mirroring one project.

How a git repo that is being written to comes out whole: git writes objects before the refs
that need them, and a repack writes the new pack before it removes what that replaces. So a
copy is whole when its refs were read first and every object that was there afterwards is in
it. One pass over everything can't promise that. Where a git directory changed during that
pass, rounds follow: first all of it but the objects, then the objects, and again while files
vanish in between (what gc removed after it was listed is in a newer pack by then) or while HEAD
names a branch that was made after the branches were listed.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from repoman_tasks.errors import Busy, ExitCode, Interrupted, Refused, RepomanError, internal_error
from repoman_tasks.hosts.base import Entry, Future, Lock, Locked
from repoman_tasks.mirror.events import Finished, Started
from repoman_tasks.mirror.rsync_pass import Pass, PassFailed, SyncContext, count_entries, run_pass
from repoman_tasks.model import Project, Tally
from repoman_tasks.planning.mirror import source_check as source
from repoman_tasks.planning.mirror.sync_plan import Outcome, first_symlink
from repoman_tasks.planning.names import inside, real_repo
from repoman_tasks.tools import rsync
from repoman_tasks.tools.file_tree import PRUNED, Look, git_state, look

__all__ = ["mirror_project", "submit_look"]

_ROUNDS = 20
"""How often a git repo is gone over while gc or a checkout changes it under the copy."""
_ENOUGH_ROUNDS = 3
"""After so many, a round without such a loss is enough, though commits go on."""
_TORN_PASSES = 4
"""How often a pass is tried again because files were written to while they were read."""
_MOST_GIT_DIRS = 100
"""With more, they are not named one by one to rsync."""
_WAIT_SECONDS = 7 * 24 * 3600.0


def mirror_project(context: SyncContext, project: Project) -> Outcome:
    """Mirror `project` under its lock; errors come back in the outcome, never as exceptions."""
    outcome = Outcome(project.name)
    began = time.monotonic()
    try:
        if context.host.stopping.is_set():
            raise Interrupted("not started")
        context.emit(Started(project.name))
        with _locks(context, project) as locks:
            _Work(context, project, locks, outcome).run()
            outcome.synced_at = context.now()
    except Locked as error:
        outcome.code = ExitCode.SOME_FAILED
        outcome.error = f"its mirror is being written already, {error}: let it finish, or --wait"
    except RepomanError as error:
        if isinstance(error, PassFailed) and error.refused:
            outcome.stopped_at = context.now()
        failed = error.code is ExitCode.FAILED
        outcome.code = ExitCode.SOME_FAILED if failed else error.code
        outcome.error = str(error)
    except Exception as error:  # a bug ends this project, and no other
        outcome.code = ExitCode.SOME_FAILED
        outcome.error = internal_error(error)
    outcome.seconds = time.monotonic() - began
    context.emit(Finished(outcome))
    return outcome


@contextmanager
def _locks(context: SyncContext, project: Project) -> Iterator[list[Lock]]:
    if context.options.dry_run:  # writes nothing, a lock's file included
        yield []
        return
    wait_seconds = _WAIT_SECONDS if context.options.wait else 0
    with context.host.lock(
        context.lock_path(project.name), wait_seconds=wait_seconds, stoppable=True
    ) as lock:
        yield [lock]


def submit_look(context: SyncContext, project: Project) -> Future[Look]:
    """Ask for a walk over the project's repo.

    The result raises `Refused` if it, or its mirror, is not a real folder. What is excluded from
    the mirror is not counted.
    """
    in_place = _submit_places(context, project)
    walk = context.host.submit_walk(_repo_path(context, project), prune=PRUNED)
    return in_place.then(lambda _: _look_over(context, project, walk.result()))


def _look_over(context: SyncContext, project: Project, entries: Iterable[Entry]) -> Look:
    """What a walk over the project's repo met."""
    seen = look(entries)
    if not context.registry.excludes(project):
        return seen
    census = count_entries(context, project)
    return replace(seen, tally=census.tally(seen.tally.tree), git_dirs=census.git_dirs())


def _repo_path(context: SyncContext, project: Project) -> str:
    """Where the project's repo has to be."""
    return f"{context.local_repos}/{project.repo}"


def _submit_places(context: SyncContext, project: Project) -> Future[None]:
    """Ask where the repo is; the result raises `Refused` if it or its mirror is missing, a symlink,
    or inside the other."""
    real = context.host.submit_folders([_repo_path(context, project)])
    return real.then(lambda found: _judge_places(context, project, found[0]))


def _judge_places(context: SyncContext, project: Project, real: str | None) -> None:
    """The same, where `real` is the repo's folder with links resolved; None where there is none."""
    path = _repo_path(context, project)
    share = context.share.probe
    link = first_symlink(context.modes, project.repo)
    if link:
        raise Refused(
            f"{share.path}/{link} on the share is a symlink",
            "a mirror follows none: replace it by a real folder",
        )
    if real is None:
        raise Refused(
            f"{path} is missing, its mirror was left as it is",
            f"bring it back, or `repoman remove {project.name}`",
        )
    real_repo(path, real, context.local_repos)
    if real != path:
        raise Refused(f"{path} is a symlink to {real}", "register that folder as the repo")
    if inside(share.real, path) or inside(path, share.real):
        raise Refused(f"{path} and the share at {share.real} lie in one another", "part them")


class _Work:
    """The steps of mirroring one project; what they find goes into the outcome."""

    def __init__(
        self, context: SyncContext, project: Project, locks: Sequence[Lock], outcome: Outcome
    ) -> None:
        self._context = context
        self._host = context.host
        self._project = project
        self._locks = locks
        self._outcome = outcome
        self._path = _repo_path(context, project)
        self._may_delete: int | None = None
        """Entries that the passes to come may delete, None for any number."""
        self._loose = project.last_loose or 0
        """Loose git objects in the mirror: more may have come since the repo was looked at,
        and the sync after this one has to be allowed to delete them all."""

    def run(self) -> None:
        context, project = self._context, self._project
        look_over, mounted = submit_look(context, project), context.share.submit_check()
        seen = look_over.result()
        self._outcome.tally = seen.tally
        self._outcome.warnings += [f"{special} is not mirrored" for special in seen.specials]
        self._guard(seen.tally)
        mounted.result()
        self._copy(seen)
        mounted, in_place = context.share.submit_check(), _submit_places(context, project)
        mounted.result()
        in_place.result()  # no success where the repo was swapped

    def _guard(self, tally: Tally) -> None:
        """`Refused` where the source lost too much; else sets how many entries may be deleted."""
        if self._context.options.force:
            return
        source.check_not_stopped(self._project)
        last = source.last_tally(self._project) or self._mirrored()
        source.check_shrinkage(self._project.name, self._path, tally, last, self._max_shrink)
        self._may_delete = source.deletion_limit(self._project, last, self._max_shrink)

    @property
    def _max_shrink(self) -> float:
        return self._context.registry.defaults.max_shrink

    def _mirrored(self) -> Tally | None:
        """What the mirror holds, where no sync was ever recorded: a registry can be lost."""
        if self._project.repo not in self._context.modes:
            return None
        return Tally(self._context.share.count(self._project.repo))

    def _copy(self, seen: Look) -> None:
        dry = self._context.options.dry_run or self._host.dry
        before = None if dry else self._git_state(seen)
        done = self._pass([f"{self._project.repo}/"])
        if dry:
            return
        if before != self._git_state(seen):
            self._settle(seen)
            if self._context.options.delete:  # else it holds those that gc packed long ago, too
                loose = max(seen.tally.loose, self._loose)
                self._outcome.tally = replace(seen.tally, loose=loose)
        elif done.vanished:
            self._outcome.warnings.append(f"{rsync.status_message(24)} ({done.vanished})")

    def _git_state(self, seen: Look) -> int:
        return git_state(self._host, self._path, seen.git_dirs)

    def _settle(self, seen: Look) -> None:
        """Rounds of refs, then objects, until the git directories came out whole."""
        for finished in range(1, _ROUNDS + 1):
            seen = self._look_again(seen)
            if not seen.git_dirs:
                return
            before = self._git_state(seen)
            refs = self._pass(*self._refs(seen.git_dirs))
            objects = self._pass(self._objects(seen.git_dirs))
            if refs.vanished or objects.vanished:
                continue
            if before == self._git_state(seen):
                return
            if finished >= _ENOUGH_ROUNDS and self._heads_resolve(seen.git_dirs):
                self._outcome.warnings.append(
                    "it was written to all the while; a later sync has the rest"
                )
                return
        raise Busy(
            f"the git repo in {self._path} was rebuilt during each of {_ROUNDS} passes",
            "sync again when it is quiet",
        )

    def _look_again(self, last: Look) -> Look:
        """Look for a next round, and guard it as the first pass was."""
        seen = submit_look(self._context, self._project).result()
        if self._context.options.force:
            return seen
        files_only = Tally(last.tally.files)  # a gc may well be what goes on
        source.check_shrinkage(
            self._project.name, self._path, seen.tally, files_only, self._max_shrink
        )
        return seen

    def _heads_resolve(self, git_dirs: Sequence[bytes]) -> bool:
        """Whether no HEAD names a branch that was made after the branches were listed."""
        folders = [self._below(git_dir) for git_dir in git_dirs[:_MOST_GIT_DIRS]]
        return all(self._context.share.head_resolves(folder) for folder in folders)

    def _refs(self, git_dirs: Sequence[bytes]) -> tuple[list[str], list[str]]:
        """Sources and rules of a pass over all of the git directories but the objects."""
        if len(git_dirs) > _MOST_GIT_DIRS:
            return [f"{self._project.repo}/"], ["- objects/"]
        objects = self._objects(git_dirs)
        return [self._below(d) for d in git_dirs], [rsync.exclude_path(path) for path in objects]

    def _objects(self, git_dirs: Sequence[bytes]) -> list[str]:
        if len(git_dirs) > _MOST_GIT_DIRS:
            return [f"{self._project.repo}/"]
        return [f"{self._below(git_dir)}/objects" for git_dir in git_dirs]

    def _below(self, git_dir: bytes) -> str:
        inner = git_dir.decode(errors="surrogateescape")
        return f"{self._project.repo}/{inner}" if inner else self._project.repo

    def _pass(self, sources: Sequence[str], rules: Sequence[str] = ()) -> Pass:
        done = self._untorn_pass(sources, rules)
        self._loose += done.loose_new - done.loose_deleted
        if self._may_delete is not None:
            gained = 2 * done.loose_new if self._project.max_delete is None else 0
            self._may_delete = max(0, self._may_delete - done.deleted + gained)
        self._outcome.counts += done.counts[self._project.name]
        return done

    def _untorn_pass(self, sources: Sequence[str], rules: Sequence[str]) -> Pass:
        """A pass; again where a file was cut short while it was read, as an editor does."""
        for _ in range(_TORN_PASSES):
            try:
                return self._run_pass(sources, rules)
            except PassFailed as failure:
                if not failure.torn:
                    raise
        return self._run_pass(sources, rules)

    def _run_pass(self, sources: Sequence[str], rules: Sequence[str]) -> Pass:
        project, locks = [self._project], self._locks
        return run_pass(self._context, project, locks, sources, rules, self._may_delete)

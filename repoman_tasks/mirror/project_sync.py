"""The sync of one project.

A git repo is mirrored consistently even while it is written to. git writes objects before the
refs that need them, and a repack writes the new pack before it removes the old ones. So a copy is
consistent if its refs were read first, and all objects that existed afterwards are in it. A single
pass can't guarantee that. If a git directory changed during the first pass, rounds follow: a pass
over everything but the objects, then one over the objects. A round is repeated while files vanish
in it (gc removed them after they were listed; a newer pack has them), and while HEAD names a branch
that was created after the branches were listed.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from itertools import islice

from repoman_tasks.errors import (
    Busy,
    Failed,
    Interrupted,
    Refused,
    RepomanError,
    TargetUnusable,
    quoted,
)
from repoman_tasks.hosts.base import Entry, Future, Lock, Locked, OutOfTime
from repoman_tasks.mirror.events import Finished, Started
from repoman_tasks.mirror.loss_guard import LossGuard
from repoman_tasks.mirror.loss_preview import preview_losses
from repoman_tasks.mirror.mirror_look import submit_look
from repoman_tasks.mirror.mirror_repair import plan_repair
from repoman_tasks.mirror.object_guard import ObjectGuard
from repoman_tasks.mirror.repo_walks import RepoWalks
from repoman_tasks.mirror.rsync_pass import (
    Equal,
    Pass,
    PassFailed,
    SyncContext,
    count_entries,
    mirrored,
    out_of_time,
    run_pass,
)
from repoman_tasks.model import Project, Tally
from repoman_tasks.planning.findings import unfinished_rename
from repoman_tasks.planning.mirror import source_check as source
from repoman_tasks.planning.mirror.altered_mirrors import altered_warning
from repoman_tasks.planning.mirror.inner_mounts import check_mounted_again
from repoman_tasks.planning.mirror.manifest import NOTHING, Changes, Losses, together
from repoman_tasks.planning.mirror.pair_differences import not_ours
from repoman_tasks.planning.mirror.share_check import check_free
from repoman_tasks.planning.mirror.sync_plan import Counts, Outcome, first_symlink
from repoman_tasks.planning.names import inside, real_repo
from repoman_tasks.tools import rsync
from repoman_tasks.tools.file_tree import (
    PRUNED,
    Folds,
    NameSampler,
    Survey,
    git_state,
    submit_ctime,
    survey_entries,
)
from repoman_tasks.tools.git_elsewhere import submit_elsewhere

__all__ = ["check_paths", "is_there", "mirror_project", "submit_survey"]

_ROUNDS = 20
"""Limit of rounds over a git repo that gc or a checkout changes meanwhile."""
_ENOUGH_ROUNDS = 3
"""After so many rounds, one in which no file vanished is enough, even if commits go on."""
_TORN_PASSES = 4
"""Limit of passes that are repeated because a file was written while it was read."""
_MOST_RULES = 2000
"""Limit of paths in rsync's rules, since it tries each rule for each entry."""
_LONGEST_RULE = 4000
"""Limit of bytes of a rule; rsync discards one of 4,096."""
_MOST_GIT_DIRS = 100
"""With more, rsync gets one rule for all of them, not one for each."""
_WAIT_SECONDS = 7 * 24 * 3600.0


def mirror_project(context: SyncContext, project: Project) -> Outcome:
    """Mirror `project` under its lock; an error is stored in the outcome, never raised."""
    outcome = Outcome(project.name)
    began = time.monotonic()
    try:
        if context.host.stopping.is_set():
            raise Interrupted("not started")
        context.emit(Started(project.name))
        with _locks(context, project) as locks:
            equal = _run(_ProjectSync(context, project, locks, outcome), context)
            outcome.synced_at = context.now()
            outcome.state = mirrored(context, project, outcome, equal)
            if outcome.altered is not None:  # unlike the others, it is not true of the next sync
                where = context.share.probe.path
                outcome.warnings.append(altered_warning(project, outcome.altered, where))
    except Locked as error:
        outcome.busy, what = True, f"another sync writes its mirror, {error}"
        outcome.fail(Failed(what, "let it finish, or pass --wait"))
    except Exception as error:  # a bug fails this project, but not the others
        if isinstance(error, PassFailed) and error.refused:
            outcome.stopped_at = context.now()
        outcome.fail(error)
    outcome.seconds = time.monotonic() - began
    context.emit(Finished(outcome))
    return outcome


def _run(sync: _ProjectSync, context: SyncContext) -> Equal:
    """Run the sync of a project. Raise Failed if its walks take longer than sync_seconds."""
    try:
        with context.host.limited(sync.until):
            return sync.run()
    except OutOfTime:
        raise out_of_time(context) from None


@contextmanager
def _locks(context: SyncContext, project: Project) -> Iterator[list[Lock]]:
    if context.options.dry_run:  # writes nothing, not even the file of a lock
        yield []
        return
    wait_seconds = _WAIT_SECONDS if context.options.wait else 0
    with context.host.lock(
        context.lock_path(project.name), wait_seconds=wait_seconds, stoppable=True
    ) as lock:
        yield [lock]


def submit_survey(
    context: SyncContext,
    project: Project,
    sampler: Callable[[], NameSampler | None] = lambda: None,
) -> Future[Survey]:
    """Ask for a survey of the project's repo, without what is excluded from the mirror.

    `sampler` returns what its files are given to; it is called once the repo was walked over.
    The result raises Refused if the repo or its mirror is not a real folder.
    """
    checked = _submit_path_check(context, project)
    path = _repo_path(context, project)
    walk, ctime = context.host.submit_walk(path, prune=PRUNED), submit_ctime(context.host, path)
    most = _most_entries(context, project)
    found = walk.then(lambda entries: islice(entries, most + 1))  # the rest would be in vain
    return checked.then(
        lambda _: _survey(context, project, found.result(), ctime.result(), sampler)
    )


def _most_entries(context: SyncContext, project: Project) -> int:
    own = project.max_entries
    return context.registry.defaults.max_entries if own is None else own


def _survey(
    context: SyncContext,
    project: Project,
    entries: Iterable[Entry],
    ctime: int,
    sampler: Callable[[], NameSampler | None],
) -> Survey:
    """Return the survey of `entries` in the project's repo, whose own folder has the `ctime`."""
    folds = Folds() if context.share.probe.folds_case else None
    survey = survey_entries(folds.seeing(entries) if folds else entries, sampler())
    survey = replace(survey, folded=folds.folded()) if folds else survey
    newest = max(survey.tally.newest, ctime)
    survey = replace(survey, tally=replace(survey.tally, newest=newest))
    if not context.registry.excludes(project):
        return survey
    census = count_entries(context, project, sampler())
    tally = census.tally(survey.tally.tree, survey.tally.newest)
    left_out = max(0, survey.tally.bytes - tally.bytes)
    return replace(
        survey,
        tally=replace(tally, left_out=left_out),
        git_dirs=census.git_dirs(),
        # A walk that was cut short may not have come to them all.
        hard_links=survey.hard_links or survey.entries > _most_entries(context, project),
        entries=census.entries,
        contents=census.contents(),
        sampler=census.sampler,
    )


def _repo_path(context: SyncContext, project: Project) -> str:
    return f"{context.local_repos}/{project.repo}"


def _submit_path_check(context: SyncContext, project: Project) -> Future[None]:
    """Ask if the repo can be mirrored; the result raises Refused if it is missing or a symlink, if
    its mirror is a symlink, or if the repo contains the share or the reverse."""
    real = context.host.submit_folders([_repo_path(context, project)])
    return real.then(lambda paths: check_paths(context, project, paths[0]))


def check_paths(context: SyncContext, project: Project, real: str | None) -> None:
    """Raise Refused as above; `real` is the repo's real path, None if the repo is missing."""
    if project.renaming:
        raise Refused(*unfinished_rename(project))
    path = _repo_path(context, project)
    share = context.share.probe
    link = first_symlink(context.roots, project.repo)
    if link:
        raise Refused(
            f"{share.path}/{link} on the share is a symlink",
            "mirrors follow no symlinks: replace it by a real folder",
        )
    if real is None:
        forget = f"`repoman remove {quoted(project.name)}`"
        if project.repo not in context.roots:
            raise Refused(f"{path} is missing, and so is its mirror", f"create it, or run {forget}")
        raise Refused(
            f"{path} is missing, its mirror was left as it is",
            f"run `repoman restore {quoted(project.name)}`, or {forget}",
        )
    real_repo(path, real, context.local_repos)
    if real != path:
        raise Refused(f"{path} is a symlink to {real}", "register that folder as the repo")
    if inside(share.real, path):
        raise Refused(f"{path} contains the share at {share.real}", "move one of them")
    if inside(path, share.real):
        raise Refused(f"the share at {share.real} contains {path}", "move one of them")


def is_there(context: SyncContext, project: Project, real: str | None) -> bool:
    """Return True if `check_paths` finds nothing wrong."""
    try:
        check_paths(context, project, real)
    except RepomanError:
        return False
    return True


class _ProjectSync:
    """The passes of one project's sync; results are stored in the outcome."""

    def __init__(
        self, context: SyncContext, project: Project, locks: Sequence[Lock], outcome: Outcome
    ) -> None:
        self._context = context
        self._host = context.host
        self._project = project
        self._locks = locks
        self._outcome = outcome
        self._path = _repo_path(context, project)
        self._left_out: list[str] = []
        """Rules of rsync for what is left out because of its name."""
        self._walks = RepoWalks(context, project)
        seconds = context.registry.defaults.sync_seconds
        self.until = time.monotonic() + seconds if seconds else math.inf
        self._objects_guard = ObjectGuard(context, project, self.until)
        self._loss_guard = LossGuard(context, project)
        self._git_dirs: tuple[bytes, ...] = ()
        self._may_delete: int | None = None
        """Limit of entries that the remaining passes may delete; None for no limit."""
        last = context.last(project)
        self._last = last and last.tally
        self._loose = last.tally.loose if last else 0
        """Loose git objects in the mirror. It may hold more than the survey counted, and the next
        sync must be allowed to delete them all."""

    def run(self) -> Equal:
        """Mirror the project; return the walk over the repo that the mirror then equals."""
        context, project = self._context, self._project
        self._check_mounts()
        walk = self._walks.submit_before()
        samplers, mounted = self._loss_guard.submit_sampler(), context.share.submit_check()
        pending = submit_survey(context, project, lambda: samplers.result()())
        changes, survey = walk.result(), pending.result()
        self._outcome.tally = survey.tally
        elsewhere = submit_elsewhere(self._host, self._path, survey.pointers, survey.lfs_candidates)
        self._outcome.warnings += [*survey.warnings, *elsewhere.result()]
        self._git_dirs = survey.git_dirs
        self._leave_out(survey)
        self._check_size(survey)
        self._guard(survey.tally)
        if not context.options.force:
            self._loss_guard.check(survey)
        self._guard_content(survey, changes)
        mounted.result()
        self._check_room(survey.tally)
        last = context.trusted(project) if self._is_enough(changes) else None
        done = self._first_pass(changes, in_full=last is None)
        self._look_again()
        if not context.dry and self._walks.changed_meanwhile(survey.git_dirs):
            self._repeat_rounds(survey)
            if context.options.delete:  # else it also holds objects that gc packed long ago
                loose = max(survey.tally.loose, self._loose)
                self._outcome.tally = replace(survey.tally, loose=loose)
            self._look_again()
        elif done.vanished:
            self._outcome.warnings.append(f"{rsync.status_message(24)} ({done.vanished})")
        self._outcome.warnings += self._loss_guard.note(survey, self._objects_guard.lost)
        if last is None:
            return self._walks.keep(None, "")
        # What a repo itself excludes is excluded after its git directories are included.
        other_rules = context.registry.excludes(project).requested
        return self._walks.keep(None if other_rules else changes, last.compared)

    def _leave_out(self, survey: Survey) -> None:
        """Leave out what the share can't tell from another entry by its name."""
        for path, kept in survey.folded.items():
            names = [name.decode(errors="replace") for name in (path, kept)]
            what = f"{names[0]} is not mirrored, as the share does not tell it from {names[1]}"
            self._outcome.warnings.append(what)
            self._left_out.append(rsync.exclude_path(self._below(path)))
        if not survey.folded and self._is_new_on_a_dataset():
            self._outcome.warnings.append(
                "the mirror begins in an empty folder that was on the share before: if it is a "
                "dataset there, the server exports it without `crossmnt`, and this is not in it"
            )

    def _is_new_on_a_dataset(self) -> bool:
        """Return True if the mirror's folder was there, empty, before the first sync."""
        context, project = self._context, self._project
        if project.last_sync or source.has_own_mirror(project) or context.dry:
            return False
        if project.repo not in context.roots:
            return False
        return not context.share.names_in(project.repo)

    def _check_mounts(self) -> None:
        """Raise an error if a file system in the repo is dead, is the share, or is not mounted."""
        context, project = self._context, self._project
        context.check_mounts(project)
        last = context.last(project)
        if last is not None and not context.options.force:
            now = context.inner(project).paths
            check_mounted_again(project.name, self._path, now, last.mounts)

    def _look_again(self) -> None:
        """Walk over the repo again. Raise an error if repo or share were replaced meanwhile."""
        mounted = self._context.share.submit_check()
        paths = _submit_path_check(self._context, self._project)
        walked = self._walks.submit_after()
        mounted.result()
        paths.result()
        walked.result()

    def _is_enough(self, changes: Changes | None) -> bool:
        """Return True if to send only `changes` makes a known mirror equal the repo."""
        options = self._context.options
        if changes is None or options.full or options.force or not options.delete:
            return False
        return self._few(changes)

    def _few(self, changes: Changes) -> bool:
        """Return True if rules can limit a pass to `changes`."""
        few = len(changes.paths) + len(changes.trees) <= _MOST_RULES
        return few and self._fit(changes.paths | changes.trees)

    def _fit(self, paths: Iterable[bytes]) -> bool:
        """Return True if no rule for one of `paths` is too long, with each byte escaped."""
        longest = max(map(len, paths), default=0) + len(os.fsencode(self._project.repo))
        return 2 * longest <= _LONGEST_RULE

    def _first_pass(self, changes: Changes | None, *, in_full: bool) -> Pass:
        """Mirror the repo: `changes`, and if `in_full`, what else of the mirror differs.

        If that can't be told by listings, rsync compares the whole repo. It does so by size and
        time, so it is followed by a pass over `changes` if a file may have changed that kept both.
        """
        found = self._look_at_mirror() if in_full else NOTHING
        if found is not None and in_full and changes is not None:
            found = self._repair(found, changes)
        if found is not None and self._few(all_ := together(changes or NOTHING, found)):
            return self._limited_pass(all_)
        if changes is None:
            return self._pass(self._whole)
        few = self._few(changes)
        contents = changes.contents and not few
        done = self._pass(self._whole, gone=changes.gone, contents=contents)
        if changes.contents and few:
            self._pass(self._whole, only=changes, contents=True)
        return done

    def _limited_pass(self, changes: Changes) -> Pass:
        """Mirror `changes`, with one rsync or, if there are none, without."""
        if changes.paths or changes.trees:
            gone, contents = changes.gone, changes.contents
            done = self._pass(self._whole, gone=gone, only=changes, contents=contents)
            if changes.unlinked and self._host.uid != 0:
                self._pass(self._whole, only=Changes(changes.unlinked, frozenset()))
            return done
        self._context.before_write([self._project.name])
        return Pass({self._project.name: Counts()})

    def _repair(self, found: Changes, changes: Changes) -> Changes:
        """Repair what of a mirror differs in `found`, but not because of `changes` of the repo.

        Return what is left. What is replaced is kept aside; see `mirror_repair`.
        """
        context, project = self._context, self._project
        foreign = not_ours(found, changes)
        if not (foreign.paths or foreign.trees) or not context.undisturbed(project):
            return found
        few = self._few(foreign)
        plan = partial(plan_repair, context, project, self._walks, self._locks, foreign)
        repair = plan(few=few, until=self.until)
        if repair is None:
            return found
        self._objects_guard.check(repair.losses, self._git_dirs, (), self._loss_guard.lost)
        aside = context.share.make_aside(project.name) if repair.replaces else ""
        self._outcome.altered = repair.altered(project, context.now(), aside)
        self._pass(self._whole, gone=foreign.gone, only=repair.changes, backup=aside)
        return not_ours(found, repair.changes or found)

    def _look_at_mirror(self) -> Changes | None:
        """Return what differs by listings of repo and mirror; None if they do not tell."""
        context = self._context
        if context.dry or context.options.checksum or self._left_out:
            return None
        try:
            limit = self._seconds_left() if self.until < math.inf else 0
            found = submit_look(context, [self._project], limit).result()
        except OutOfTime:
            raise out_of_time(context) from None
        return None if found is None else found[self._project.name]

    def _seconds_left(self) -> float:
        """Return the seconds until sync_seconds is used up. Raise Failed if it is."""
        left = self.until - time.monotonic()
        if left <= 0:
            raise out_of_time(self._context)
        return left

    @property
    def _whole(self) -> list[str]:
        return [f"{self._project.repo}/"]

    def _check_size(self, survey: Survey) -> None:
        """Raise Refused if the repo is so large that it would hold up the others."""
        defaults, tally = self._context.registry.defaults, survey.tally
        name, entries = self._project.name, survey.entries
        source.check_size(name, self._path, tally.bytes, entries, defaults, self._project)

    def _check_room(self, tally: Tally) -> None:
        """Raise TargetUnusable if the share is too full for this mirror: it may get smaller."""
        context = self._context
        try:
            check_free(context.share.probe, context.registry.defaults)
        except TargetUnusable:
            repo, there = self._project.repo, self._project.repo in context.roots
            if not there or tally.bytes > context.share.measure(repo).bytes:
                raise

    def _guard(self, tally: Tally) -> None:
        """Set the limit of deletions; raise Refused if the repo has lost too many files."""
        if self._context.options.force:
            return
        source.check_not_stopped(self._project)
        counted = "the last sync counted" if self._last else "its mirror holds"
        last = self._last or self._mirrored()
        source.check_shrinkage(
            self._project.name, self._path, tally, last, self._max_shrink, counted
        )
        self._may_delete = source.deletion_limit(self._project, last, self._max_shrink)

    def _guard_content(self, survey: Survey, changes: Changes | None) -> None:
        """Raise Refused if the repo would overwrite what the mirror holds with damage."""
        losses, sent = (None, ()) if changes is None else (changes.losses, changes.paths)
        self._guard_losses(survey, losses, sent)

    def _guard_losses(
        self, survey: Survey, losses: Losses | None, sent: Collection[bytes] = ()
    ) -> None:
        """Raise Refused as above; `losses` is None if they are not known."""
        context = self._context
        if context.options.force or context.dry or self._project.repo not in context.roots:
            return
        if losses is None:
            losses = preview_losses(context, self._project, self._locks)
        if losses:
            self._objects_guard.check(losses, survey.git_dirs, sent, self._loss_guard.lost)
            self._loss_guard.check_losses(losses)

    @property
    def _max_shrink(self) -> float:
        return self._context.registry.defaults.max_shrink

    def _mirrored(self) -> Tally | None:
        """Return a tally of the mirror, in place of one that a lost registry had recorded."""
        if self._project.repo not in self._context.roots:
            return None
        return Tally(self._context.share.measure(self._project.repo).files)

    def _git_state(self, survey: Survey) -> int:
        return git_state(self._host, self._path, survey.git_dirs)

    def _repeat_rounds(self, survey: Survey) -> None:
        """Mirror refs, then objects, until the git directories are consistent; raise Busy if they
        never are."""
        for finished in range(1, _ROUNDS + 1):
            survey = self._survey_again(survey)
            if not survey.git_dirs:
                return
            before = self._git_state(survey)
            refs = self._pass(*self._refs(survey.git_dirs))
            objects = self._pass(self._objects(survey.git_dirs))
            if refs.vanished or objects.vanished:
                continue
            if before == self._git_state(survey):
                return
            if finished >= _ENOUGH_ROUNDS and self._heads_resolve(survey.git_dirs):
                self._outcome.warnings.append(
                    "it was written to during the whole sync; the next sync mirrors the rest"
                )
                return
        raise Busy(
            f"the git repo in {self._path} was rebuilt during each of {_ROUNDS} passes",
            "sync again when nothing writes to it",
        )

    def _survey_again(self, last: Survey) -> Survey:
        """Survey the repo for the next round; raise Refused as `_guard` does."""
        survey = submit_survey(self._context, self._project).result()
        if self._context.options.force:
            return survey
        files_only = Tally(last.tally.files)  # a gc may be removing loose objects and packs
        source.check_shrinkage(
            self._project.name, self._path, survey.tally, files_only, self._max_shrink
        )
        self._guard_losses(survey, self._walks.submit_losses().result())
        return survey

    def _heads_resolve(self, git_dirs: Sequence[bytes]) -> bool:
        """Return True if each HEAD in the mirror names a branch that the mirror has."""
        folders = [self._below(git_dir) for git_dir in git_dirs[:_MOST_GIT_DIRS]]
        return all(self._context.share.head_resolves(folder) for folder in folders)

    def _refs(self, git_dirs: Sequence[bytes]) -> tuple[list[str], list[str]]:
        """Return sources and filter rules of a pass over the git directories without objects."""
        if self._many(git_dirs):
            return [f"{self._project.repo}/"], ["- objects/"]
        objects = self._objects(git_dirs)
        return [self._below(d) for d in git_dirs], [rsync.exclude_path(path) for path in objects]

    def _objects(self, git_dirs: Sequence[bytes]) -> list[str]:
        if self._many(git_dirs):
            return [f"{self._project.repo}/"]
        return [f"{self._below(git_dir)}/objects" for git_dir in git_dirs]

    def _many(self, git_dirs: Sequence[bytes]) -> bool:
        """Return True if rsync should get one rule for all of `git_dirs`."""
        return len(git_dirs) > _MOST_GIT_DIRS or not self._fit(git_dirs)

    def _below(self, git_dir: bytes) -> str:
        inner = git_dir.decode(errors="surrogateescape")
        return f"{self._project.repo}/{inner}" if inner else self._project.repo

    def _pass(
        self,
        sources: Sequence[str],
        rules: Sequence[str] = (),
        *,
        gone: int = 0,
        only: Changes | None = None,
        contents: bool = False,
        backup: str = "",
    ) -> Pass:
        """Run a pass, see `run_pass`; it will delete about `gone` entries, as far as known."""
        context, file = self._context, ""
        if only is not None:
            file = self._walks.write_rules(only)
            # To delete, rsync asks the share for all names in each folder on the way.
            delete = context.options.delete and bool(only.trees)
            context = replace(context, options=replace(context.options, delete=delete))
        self._seconds_left()
        run = partial(run_pass, projects=[self._project], locks=self._locks, sources=sources)
        run = partial(run, until=self.until)
        rules = [*self._left_out, *rules]
        run = partial(run, rules=rules, only=file, contents=contents, backup=backup)
        if self._may_delete is not None and gone > self._may_delete:
            self._check_deletions(run, self._may_delete)
        done = _untorn(partial(run, context, max_delete=self._may_delete))
        self._loose += done.loose_new - done.loose_deleted
        if self._may_delete is not None:
            gained = 2 * done.loose_new if self._project.max_delete is None else 0
            self._may_delete = max(0, self._may_delete - done.deleted + gained)
        self._outcome.counts += done.counts[self._project.name]
        return done

    def _check_deletions(self, run: Callable[..., Pass], may_delete: int) -> None:
        """Raise PassFailed if a pass would delete too much; a dry run of it asks before it writes.

        Some of what is gone may never have been mirrored.
        """
        options = replace(self._context.options, dry_run=True, itemize=False, progress=False)
        done = run(replace(self._context, options=options))
        if done.deleted > may_delete:
            done.stopped = True
            raise PassFailed([self._project], 0, done)


def _untorn(run: Callable[[], Pass]) -> Pass:
    """Run a pass; repeat it if a file was truncated while it was read, as editors do."""
    for _ in range(_TORN_PASSES):
        try:
            return run()
        except PassFailed as failure:
            if not failure.torn:
                raise
    return run()

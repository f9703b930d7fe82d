"""Keep a mirror from losing its files' contents, also by a little each day.

The baseline of a project (`planning.mirror.baseline`) lies beside its manifest, and a copy of it on
the share, so that a lost state loosens no guard.
"""

from __future__ import annotations

import random
import secrets
from collections.abc import Callable, Sequence
from dataclasses import replace

from repoman_tasks.errors import RepomanError
from repoman_tasks.hosts.base import Future
from repoman_tasks.mirror.rsync_pass import SyncContext
from repoman_tasks.model import Project
from repoman_tasks.planning.mirror.baseline import (
    CAP,
    Baseline,
    Contents,
    baseline_text,
    check_contents,
    check_overwritten,
    has_in_common,
    needs_copy,
    parse_baseline,
    with_sync,
)
from repoman_tasks.planning.mirror.manifest import Losses
from repoman_tasks.planning.mirror.source_check import has_own_mirror
from repoman_tasks.tools.file_tree import NameSampler, Survey, is_in_git
from repoman_tasks.tools.regular_file import head_argv

__all__ = ["LossGuard"]

_COMPARED = 40
"""Number of files of a sample whose contents are compared."""
_FEW = 20
"""Number of files that may be overwritten without a look at their contents."""


class LossGuard:
    """Compares the repo of one project with what it held in the last days."""

    def __init__(self, context: SyncContext, project: Project) -> None:
        self._context = context
        self._project = project
        self._root = f"{context.local_repos}/{project.repo}"
        self._file = f"{context.manifest_path(project.name)}.baseline"
        self._today = context.now()[:10]
        self._known = Baseline(secrets.token_hex(16))
        self._overwritten = 0

    def _submit_load(self) -> Future[None]:
        """Ask for the baseline; a mirror that repoman did not make has none."""
        there = self._project.repo in self._context.roots
        if not there or not has_own_mirror(self._project):
            return Future(lambda: None)
        return self._context.host.submit_file(self._file).then(self._load)

    def _load(self, data: bytes | None) -> None:
        found = parse_baseline(data or b"")
        if found is None:
            copy = self._context.share.submit_baseline(self._project.name).result()
            found = parse_baseline(copy)
        if found is not None:
            self._known = found

    def submit_sampler(self) -> Future[Callable[[], NameSampler]]:
        """Ask for the baseline; the result returns a new sampler for a survey at each call."""
        return self._submit_load().then(lambda _: self._sampler)

    def _sampler(self) -> NameSampler:
        return NameSampler(bytes.fromhex(self._known.key), self._known.known)

    def check(self, survey: Survey) -> None:
        """Raise Refused if the repo has lost too much since the best of the last days."""
        still = frozenset(survey.sampler.found) if survey.sampler else frozenset()
        known, limit = self._known, self._context.registry.defaults.max_shrink
        names = self._project.name, self._root
        check_contents(*names, survey.contents, still, known, self._today, limit)

    def check_losses(self, losses: Losses) -> None:
        """Raise Refused if a sync would overwrite too much with something else altogether.

        A part of the files that it replaces is compared with those in the mirror.
        """
        replaced = sorted(path for path in losses.replaced if not is_in_git(path))
        if len(replaced) <= _FEW:
            return
        sample = random.SystemRandom().sample(replaced, min(_COMPARED, len(replaced)))
        unlike = sum(not same for same in self._compare(sample))
        self._overwritten = len(replaced) * unlike // len(sample)
        limit = self._context.registry.defaults.max_shrink
        names = self._project.name, self._root
        check_overwritten(*names, self._overwritten, self._known, self._today, limit)

    def _compare(self, paths: Sequence[bytes]) -> list[bool]:
        """Return for each file if the repo's has something in common with the mirror's."""
        context = self._context
        mirror = f"{context.share.root}/{self._project.repo}"
        inner = [path.decode(errors="surrogateescape") for path in paths]
        new = [
            context.host.submit(head_argv(f"{self._root}/{path}", CAP), stoppable=True)
            for path in inner
        ]
        old = [context.share.submit(head_argv(f"{mirror}/{path}", CAP)) for path in inner]
        pairs = [(a.result(), b.result()) for a, b in zip(old, new, strict=True)]
        return [a.code != 0 or b.code != 0 or has_in_common(a.out, b.out) for a, b in pairs]

    @property
    def lost(self) -> int:
        """Return the number of commits that the mirror lost in the last days."""
        return self._known.best(self._today).lost

    def note(self, survey: Survey, lost: int) -> list[str]:
        """Note what the repo holds after a complete sync, which took `lost` commits from the
        mirror; return warnings."""
        context = self._context
        if context.dry:
            return []
        before = self._known
        if context.options.force:  # what is gone was agreed to
            before = Baseline(before.key)
        sampler = survey.sampler or self._sampler()
        now: Contents = replace(survey.contents, overwritten=self._overwritten, lost=lost)
        after = with_sync(before, self._today, now, sampler.names, sampler.count)
        copies = context.options.force or needs_copy(self._known, after, self._today)
        if copies:
            after = replace(after, copied=after.best(self._today))
        context.host.write_file(self._file, baseline_text(after), noted=False)
        try:
            if copies:
                context.share.put_baseline(self._file, self._project.name)
        except RepomanError as error:
            return [f"{error.what}: {error.cure}"]
        return []

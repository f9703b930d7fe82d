"""The walks over a repo before and after its sync.

The first is the new manifest, which lies beside the old one until the sync is complete. Compared
with the old one it shows what to send; compared with the second one, what changed meanwhile. A
manifest counts only if the state has its digest, so a crash between both leaves none.
"""

from __future__ import annotations

from collections.abc import Sequence

from repoman_tasks.hosts.base import Comparison, Future
from repoman_tasks.mirror.rsync_pass import Equal, SyncContext
from repoman_tasks.model import Project
from repoman_tasks.planning.mirror.manifest import (
    Changes,
    Losses,
    changed_paths,
    find_changes,
    find_losses,
    find_written,
    one_is_in,
)
from repoman_tasks.tools import rsync

__all__ = ["RepoWalks"]

_MOST_WRITTEN = 1000
"""Limit of paths to note that changed during a sync. With more, the next one compares in full."""


class RepoWalks:
    """The walks of one sync of one project. A dry run makes none."""

    def __init__(self, context: SyncContext, project: Project) -> None:
        self._context = context
        self._project = project
        self._root = f"{context.local_repos}/{project.repo}"
        self._path = context.manifest_path(project.name)
        self._before = Comparison("")
        self._after = Comparison("")

    def submit_before(self) -> Future[Changes | None]:
        """Walk before the first pass; the result is what changed since the last complete sync, None
        if that is not known."""
        return self._submit(self._path, self._new).then(self._changes)

    def submit_losses(self) -> Future[Losses | None]:
        """Walk again; the result is what a sync would take from the mirror as the last one left it,
        None if that is not known."""
        return self._submit(self._path, "").then(self._losses)

    def _losses(self, walk: Comparison) -> Losses | None:
        state = self._context.last(self._project)
        if state is None or not state.digest or not walk.digest or walk.known != state.digest:
            return None
        try:
            return find_losses(walk.gone, walk.new)
        except ValueError:
            return None

    def _changes(self, walk: Comparison) -> Changes | None:
        self._before = walk
        state = self._context.last(self._project)
        if state is None or not state.digest or not walk.digest or walk.known != state.digest:
            return None
        written = (path.encode(errors="surrogateescape") for path in state.written)
        try:
            return find_changes(walk.gone, walk.new, written)
        except ValueError:
            return None

    def submit_after(self) -> Future[None]:
        """Walk after the last pass so far."""
        return self._submit(self._new, "").then(self._note_after)

    def _note_after(self, walk: Comparison) -> None:
        self._after = walk

    def changed_meanwhile(self, folders: Sequence[bytes]) -> bool:
        """Return True if something in `folders` changed between both walks, or may have."""
        walk = self._after
        try:
            return not walk.known or one_is_in(changed_paths(walk.gone, walk.new), folders)
        except ValueError:
            return True

    def meanwhile(self) -> frozenset[bytes] | None:
        """Return the paths that changed between both walks, None if that is not known."""
        before, after = self._before, self._after
        if not (before.digest and after.digest and before.digest == after.known):
            return None
        try:
            return changed_paths(after.gone, after.new)
        except ValueError:
            return None

    def keep(self, sent: Changes | None, compared: str) -> Equal:
        """Keep the manifest after a complete sync, and return what the mirror equals.

        `sent` is what rsync looked at, None for the whole repo. `compared` is when the mirror was
        compared in full, empty for now.
        """
        before, after = self._before, self._after
        if not (before.digest and after.digest and before.digest == after.known):
            return Equal(compared=compared)
        written = find_written(after.gone, after.new, sent)
        if written is None or len(written) > _MOST_WRITTEN or not self._context.options.delete:
            return Equal(compared=compared)
        self._context.host.change(["mv", "-fT", "--", self._new, self._path])
        return Equal(before.digest, tuple(map(_text, sorted(written))), compared)

    @property
    def _new(self) -> str:
        return f"{self._path}.new"

    def _submit(self, known: str, keep: str) -> Future[Comparison]:
        if self._context.dry:
            return Future(lambda: Comparison(""))
        return self._context.host.submit_comparison(self._root, known, keep)

    def write_rules(self, changes: Changes) -> str:
        """Write the rules that limit a pass to `changes` to a file; return the path of that."""
        paths, trees = (map(_text, found) for found in (changes.paths - {b""}, changes.trees))
        rules = rsync.only_rules(self._project.repo, paths, trees)
        data = b"".join(rule.encode(errors="surrogateescape") + b"\0" for rule in rules)
        path = f"{self._path}.rules"
        self._context.host.write_file(path, data, noted=False)
        return path


def _text(path: bytes) -> str:
    return path.decode(errors="surrogateescape")

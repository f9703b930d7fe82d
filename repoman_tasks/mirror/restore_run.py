"""Copy a repo, or a part of it, back from its mirror or from a snapshot.

The source may hold what a hostile container wrote, so rsync follows no link in it, and nothing that
is copied is run: no git, no hook. A new folder gets its name when it is complete, so a restore that
was interrupted goes on where it stopped.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Sequence

from repoman_tasks.errors import ExitCode, Failed, RepomanError
from repoman_tasks.hosts.base import Host, Lock, Stalled
from repoman_tasks.late_dataclass import dataclass
from repoman_tasks.model import Excludes
from repoman_tasks.planning.mirror.restore_plan import Target
from repoman_tasks.planning.mirror.sync_plan import Counts
from repoman_tasks.tools import rsync

__all__ = ["Restore", "RestoreSource"]

_MOST_COMPLAINTS = 20
_SECONDS = 3600.0


@dataclass(frozen=True)
class RestoreSource:
    """Mirror or snapshot to restore from, and paths in it."""

    label: str
    """`mirror`, or the name of a snapshot."""
    root: str
    """Path of the folder that holds the copy: the share's root, that in a snapshot of it, or that
    of a snapshot of the project."""
    repo: str
    paths: tuple[str, ...] = ()
    """Files and folders in the repo; empty for all of it."""
    taken: str = ""
    """When it was as it is there, in the registry's format; empty if unknown."""


@dataclass
class Restore:
    """One restore; the source is only read."""

    host: Host
    keeps: rsync.Preserved
    """Metadata that the source has."""
    source: RestoreSource
    target: Target
    excludes: Excludes | None
    """Entries that the source lacks and that stay as they are; None if it has all of the repo."""
    stall_seconds: float
    see: Callable[[rsync.Item], object]
    rules: str = ""
    """File with rules, as `rsync.pass_argv` takes it, about what the source lacks and stays."""

    def preview(self) -> Counts:
        """Return the counts of what a run would change; each change is passed to `see`."""
        return self._rsync(dry_run=True)

    def run(self, keep: Sequence[Lock] = ()) -> Counts:
        """Copy; return the counts of changes. Raise Failed if not everything could be copied.

        The locks in `keep` stay held until rsync ends, even if repoman is killed.
        """
        target = self.target
        self._make_folder(target.aside or target.partial)
        counts = self._rsync(keep=keep)
        if not target.in_place:
            self._change(["mv", "-T", "--", target.partial, target.folder], target.folder)
        return counts

    def differences(self) -> int:
        """Return how many entries of the copy differ from the source, or are not in it."""
        return self._rsync(dry_run=True, contents=True).entries

    def _make_folder(self, folder: str) -> None:
        for path in (posixpath.dirname(folder), folder):  # -m is for the last folder only
            self._change(["mkdir", "-p", "-m", "700", "--", path], folder)

    def _change(self, argv: list[str], folder: str) -> None:
        result = self.host.change(argv, timeout=_SECONDS)
        if result.code:
            raise Failed(f"{folder} can't be created", result.complaint)

    def _rsync(
        self, *, dry_run: bool = False, contents: bool = False, keep: Sequence[Lock] = ()
    ) -> Counts:
        """Run rsync. `contents` compares with what the run has made."""
        counts = Counts()

        def read(line: bytes) -> None:
            item = rsync.parse_item(line)
            if item is not None:
                counts.add(item.kind.value, item.size)
                self.see(item)

        complaints: list[bytes] = []
        try:
            status = self.host.stream(
                self._argv(dry_run=dry_run, contents=contents),
                read,
                complaints.append,
                stall_seconds=self.stall_seconds,
                keep=keep,
                changes=not dry_run,
            )
        except Stalled as error:
            raise _RestoreFailed(error.what, []) from None
        if status or any(map(rsync.discards_rule, complaints)):
            lines = [rsync.unescaped(line).decode(errors="replace") for line in complaints]
            raise _RestoreFailed(rsync.status_message(status or 23), lines[:_MOST_COMPLAINTS])
        return counts

    def _argv(self, *, dry_run: bool, contents: bool) -> list[str]:
        folder, repo, target = self.source.root, self.source.repo, self.target
        if target.in_place and self.excludes is not None:
            base = target.folder.removesuffix(f"/{repo}")
            return rsync.pass_argv(
                folder,
                [f"{repo}/{path}" for path in self.source.paths or ("",)],
                rsync.filters(repo, self.excludes),
                self.keeps,
                dry_run=dry_run,
                contents=contents,
                backup=target.aside,
                target=f"{base}/",
            )
        new = "/nonexistent" if dry_run else target.partial
        return rsync.pass_argv(
            f"{folder}/{repo}",
            self.source.paths or ("",),
            [] if self.excludes is None else rsync.filters_of_all([]),
            self.keeps,
            dry_run=dry_run,
            contents=contents or self.excludes is None,
            only=self.rules,
            backup=target.aside,
            target=f"{target.folder if contents or target.in_place else new}/",
        )


class _RestoreFailed(RepomanError):
    """rsync did not copy everything; what it has copied is kept for the next time."""

    code = ExitCode.SOME_FAILED

    def __init__(self, what: str, complaints: Sequence[str]) -> None:
        told = [text for text in complaints if not text.startswith("rsync error:")]
        super().__init__(what, "; ".join([*told, "run it again, it goes on where it stopped"]))

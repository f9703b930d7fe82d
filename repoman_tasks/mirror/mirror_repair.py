"""The repair of a mirror that somebody or something else changed since its last sync.

What a full comparison finds is sent from the repo only if the repo still is what the last sync
found, so that it is not the repo that was damaged; and what is replaced is kept aside, as it may be
the last good copy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from repoman_tasks.hosts.base import Lock
from repoman_tasks.late_dataclass import dataclass
from repoman_tasks.mirror.events import Event, Itemized
from repoman_tasks.mirror.repo_walks import RepoWalks
from repoman_tasks.mirror.rsync_pass import SyncContext, run_pass
from repoman_tasks.model import Altered, Project
from repoman_tasks.planning.mirror.altered_mirrors import make_altered
from repoman_tasks.planning.mirror.manifest import Changes, Losses
from repoman_tasks.planning.mirror.pair_differences import not_ours
from repoman_tasks.tools.rsync import Kind

__all__ = ["Repair", "plan_repair"]


@dataclass(frozen=True)
class Repair:
    """The part of a sync that repairs what it did not change itself."""

    changes: Changes | None
    """The entries to send; None for the whole mirror."""
    kinds: Mapping[bytes, Kind]
    """The change that this makes to each entry."""

    @property
    def losses(self) -> Losses:
        """The files of the mirror that it replaces or deletes."""
        sent = {path for path, kind in self.kinds.items() if kind in (Kind.NEW, Kind.CHANGED)}
        gone = {path for path, kind in self.kinds.items() if kind is Kind.DELETED}
        return Losses(frozenset(sent), gone=frozenset(gone))

    @property
    def replaces(self) -> bool:
        """True if there is something to keep aside."""
        return any(kind in (Kind.CHANGED, Kind.DELETED) for kind in self.kinds.values())

    def altered(self, project: Project, when: str, folder: str) -> Altered:
        """Return what is told of it; see `make_altered`."""
        kinds = {
            path.decode(errors="surrogateescape"): kind.value for path, kind in self.kinds.items()
        }
        return make_altered(project, when, kinds, folder)


def plan_repair(
    context: SyncContext,
    project: Project,
    walks: RepoWalks,
    locks: Sequence[Lock],
    foreign: Changes,
    *,
    few: bool,
    until: float,
) -> Repair | None:
    """Return the repair of a mirror that differs in `foreign`, where the repo did not change.

    If not `few`, rsync says what differs in the whole mirror. Return None if nothing does, or if
    the repo is not known to be what the walk before the sync found.
    """
    file = walks.write_rules(foreign) if few else ""
    kinds = _kinds(context, project, locks, file, until)
    walks.submit_after().result()
    meanwhile = walks.meanwhile()
    if meanwhile is None:
        return None
    kinds = {path: kind for path, kind in kinds.items() if path not in meanwhile}
    left = not_ours(foreign, Changes(meanwhile, frozenset()))
    return Repair(left if few else None, kinds) if kinds else None


def _kinds(
    context: SyncContext, project: Project, locks: Sequence[Lock], file: str, until: float
) -> dict[bytes, Kind]:
    """Have rsync say what it would do to each entry, by the rules in `file`, if that is given.

    A folder of which only the time differs is left out: a server that looks into it sets that.
    """
    found: dict[bytes, Kind] = {}

    def see(event: Event) -> None:
        if isinstance(event, Itemized):
            path = event.path.encode(errors="surrogateescape")
            if event.kind is not Kind.ATTRIBUTES or not path.endswith(b"/"):
                found[path.rstrip(b"/")] = event.kind

    options = replace(context.options, dry_run=True, itemize=True, progress=False)
    dry = replace(context, options=options, emit=see)
    run_pass(dry, [project], locks, [f"{project.repo}/"], only=file, until=until)
    return found

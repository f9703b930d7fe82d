"""Find what a sync would take from a mirror by a dry run, if no manifest says so."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import replace

from repoman_tasks.hosts.base import Lock
from repoman_tasks.mirror.events import Event, Itemized
from repoman_tasks.mirror.rsync_pass import PassFailed, SyncContext, run_pass
from repoman_tasks.model import Project
from repoman_tasks.planning.mirror.manifest import Losses
from repoman_tasks.tools.rsync import Kind

__all__ = ["preview_losses"]


def preview_losses(context: SyncContext, project: Project, locks: Sequence[Lock]) -> Losses:
    """Return the files whose content a sync of `project` would take from its mirror.

    What can't be read is left out: the sync will report it.
    """
    found: dict[Kind, set[bytes]] = {Kind.CHANGED: set(), Kind.DELETED: set()}
    emptied: set[bytes] = set()

    def see(event: Event) -> None:
        if not isinstance(event, Itemized) or event.path.endswith("/"):
            return
        path = event.path.encode(errors="surrogateescape")
        if event.kind in found:
            found[event.kind].add(path)
        if event.kind is Kind.CHANGED and not event.size:
            emptied.add(path)

    options = replace(context.options, dry_run=True, itemize=True, progress=False)
    dry = replace(context, options=options, emit=see)
    with contextlib.suppress(PassFailed):
        run_pass(dry, [project], locks, [f"{project.repo}/"])
    changed, gone = (frozenset(found[kind]) for kind in (Kind.CHANGED, Kind.DELETED))
    return Losses(changed, frozenset(emptied), gone)

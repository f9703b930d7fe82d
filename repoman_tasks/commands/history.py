"""`history`: list the versions of a repo, or of a path in it, that snapshots of the share hold."""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from datetime import datetime

from repoman_tasks.actions.facts import readable_share, reconcile, require_share
from repoman_tasks.actions.project_container import repo_path
from repoman_tasks.actions.restore_checks import MIRROR, find_snapshots, taken_at
from repoman_tasks.cli.task import task
from repoman_tasks.errors import Failed, UsageError, quoted
from repoman_tasks.model import Project
from repoman_tasks.planning.mirror.restore_plan import inner_paths
from repoman_tasks.planning.mirror.snapshots import Snapshot, newest_first
from repoman_tasks.planning.mirror.sync_plan import find_project
from repoman_tasks.planning.mirror.versions import SnapshotState, Version, find_versions
from repoman_tasks.planning.text.layout import Column
from repoman_tasks.planning.text.wording import format_size, plural
from repoman_tasks.session import Session
from repoman_tasks.tools.mirror_trees import read_trees
from repoman_tasks.tools.share import Share
from repoman_tasks.wizards.project_choice import ask_restore


@task(
    wizard=ask_restore,
    pre=[reconcile, readable_share],
    positional=["name", "path"],
    greedy=True,
    help={
        "name": "Name of the project.",
        "path": "File or folder in the repo (default: all of it).",
        "limit": "Number of snapshots to look at, the newest first (default: 20); 0 for all.",
        "json": "Print JSON.",
    },
    examples={
        "repoman history isurus": "List what snapshots hold of a repo",
        "repoman history isurus docs/plan.md --limit 0": "List all versions of a file",
    },
    exit_codes={
        "5": "the backup share is not usable",
    },
)
def history(
    session: Session,
    name: str | None = None,
    path: str | None = None,
    *,
    limit: int = 20,
    json: bool = False,
) -> None:
    """List the versions that the mirror and snapshots of the share hold, the newest first.

    Versions are told apart by the sizes and times of files. `restore NAME PATH --at SNAPSHOT`
    brings one back.
    """
    if name is None:
        raise UsageError("history needs a name", "`repoman history NAME`")
    facts = session.of(reconcile)
    project = find_project(facts.registry, name)
    inner = next(iter(inner_paths([path or "."], repo_path(facts, project))), "")
    share = require_share(session, readable_share)
    snapshots = newest_first(find_snapshots(share)[0])
    looked_at = snapshots[: limit or None]
    versions = _versions(share, project, inner, looked_at)
    if all(version.missing for version in versions):
        raise _not_found(project, inner, share, searched=len(looked_at) == len(snapshots))
    if json:
        session.screen.json(_as_json(project, inner, versions, looked_at, len(snapshots)))
        return
    _show(session, versions)
    _note_rest(session, project, inner, looked_at, snapshots)


def _not_found(project: Project, inner: str, share: Share, *, searched: bool) -> Failed:
    """Return the error that no version exists; `searched` if all snapshots were looked at."""
    if not searched:
        cure = f"look at all snapshots with `{quoted(*_all_of_it(project, inner))}`"
    elif not project.last_sync:
        return Failed(
            f"{project.name} was never mirrored", f"run `repoman sync {quoted(project.name)}`"
        )
    else:
        cure = f"look in {share.probe.path}"
    what = f"{project.repo}/{inner}".rstrip("/")
    return Failed(f"neither mirror nor snapshots have {what}", cure)


def _all_of_it(project: Project, inner: str) -> tuple[str, ...]:
    """Return the argv that looks at all snapshots."""
    return ("repoman", "history", project.name, *filter(None, [inner]), "--limit", "0")


def _versions(
    share: Share, project: Project, inner: str, snapshots: Sequence[Snapshot]
) -> list[Version]:
    """Return the versions of the path `inner`, empty for the repo, in the mirror and snapshots."""
    labels = [(MIRROR, project.last_sync), *((s.name, taken_at(s)) for s in snapshots)]
    roots = [share.root, *(snapshot.root for snapshot in snapshots)]
    trees = read_trees(share, roots, posixpath.join(project.repo, inner).rstrip("/"))
    states = (SnapshotState(*label, tree) for label, tree in zip(labels, trees, strict=True))
    return list(find_versions(states))


def _show(session: Session, versions: Sequence[Version]) -> None:
    columns = (Column("TAKEN"), Column("SNAPSHOT"), Column("SIZE"), Column("CHANGES"))
    rows = [
        (_local_time(version.taken), version.snapshots[-1], _size(version), _changes(version))
        for version in versions
    ]
    session.screen.table(columns, rows)


def _local_time(taken: str) -> str:
    when = datetime.fromisoformat(taken).astimezone() if taken else None
    return when.strftime("%Y-%m-%d %H:%M") if when else "unknown"


def _size(version: Version) -> str:
    if version.size is None:
        return "unknown"
    return "missing" if version.missing else format_size(version.size)


def _changes(version: Version) -> str:
    counts = version.changes
    if version.size is None:
        return "an empty folder on this host: export it with crossmnt"
    if counts is None:
        return ""
    parts = {"new": counts.new, "changed": counts.changed, "deleted": counts.deleted}
    return ", ".join(f"{count} {what}" for what, count in parts.items() if count)


def _note_rest(
    session: Session,
    project: Project,
    inner: str,
    looked_at: Sequence[Snapshot],
    snapshots: Sequence[Snapshot],
) -> None:
    """Say what was not looked at, and what is not there."""
    if not snapshots:
        session.screen.note(
            "no snapshot of the share was found: set snapshots in [defaults] to where they are"
        )
    elif len(looked_at) < len(snapshots):
        session.screen.note(
            f"looked at {len(looked_at)} of {plural(len(snapshots), 'snapshot')}: "
            f"`{quoted(*_all_of_it(project, inner))}` looks at all"
        )


def _as_json(
    project: Project,
    inner: str,
    versions: Sequence[Version],
    looked_at: Sequence[Snapshot],
    snapshots: int,
) -> dict[str, object]:
    return {
        "schema": 1,
        "repo": project.repo,
        "path": inner or None,
        "snapshots": snapshots,
        "looked_at": len(looked_at),
        "versions": [
            {
                "snapshots": list(version.snapshots),
                "taken": version.taken or None,
                "size": version.size,
                "missing": version.missing,
                "new": version.changes.new if version.changes else None,
                "changed": version.changes.changed if version.changes else None,
                "deleted": version.changes.deleted if version.changes else None,
            }
            for version in versions
        ],
    }

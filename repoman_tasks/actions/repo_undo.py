"""Finds what an undo would change in a repo, and checks that all of it can be."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable

from repoman_tasks.actions.snapshot_steps import repo_restore
from repoman_tasks.errors import Refused, quoted
from repoman_tasks.hosts.base import WALK_SECONDS
from repoman_tasks.planning.mirror.sync_plan import Counts
from repoman_tasks.planning.steps import ReturnRepo
from repoman_tasks.session import Session
from repoman_tasks.tools.rsync import Item, Kind

__all__ = ["preview_repo"]


_LOST = (Kind.DELETED, Kind.CHANGED)
"""Kinds of changes by which something is lost."""


def preview_repo(session: Session, step: ReturnRepo) -> tuple[list[Item], Counts]:
    """Return the changes that a step makes in the repo, what is lost first, and their counts.

    Raise Refused if one of them is in a folder of somebody else, such as root in the container.
    """
    items = list[Item]()
    missing = session.host.real_folder(step.path) is None
    run = repo_restore(session, step, items.append, missing=missing)
    counts = run.preview()
    if not missing:
        _check_owned(session, step.path, items)
    return sorted(items, key=lambda item: item.kind not in _LOST), counts


def _check_owned(session: Session, repo: str, items: Iterable[Item]) -> None:
    host = session.host
    argv = ["find", repo, "-xdev", "!", "-user", str(host.uid), "-printf", r"%P\0"]
    foreign = {*host.read(argv, timeout=WALK_SECONDS).out.split(b"\0")[:-1]}
    for item in items if foreign else ():
        path = item.path.rstrip(b"/").removeprefix(b"./")
        changed = path if item.kind is Kind.ATTRIBUTES else posixpath.dirname(path)
        if changed in foreign:
            shown = changed.decode(errors="replace")
            raise Refused(
                f"{repo}/{shown} belongs to another user, so nothing can be replaced there",
                f"make it yours: `{quoted('sudo', 'chown', '-R', str(host.uid), repo)}`",
            )

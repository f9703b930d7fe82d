"""Lists the changes that a restore or an undo makes in a repo."""

from __future__ import annotations

from collections.abc import Sequence

from repoman_tasks.planning.mirror.sync_plan import Counts
from repoman_tasks.planning.text.layout import BAD, Cell
from repoman_tasks.session import Session
from repoman_tasks.tools.rsync import Item, Kind

__all__ = ["MOST_LISTED", "list_changes"]

MOST_LISTED = 20
"""The most changes to list."""


def list_changes(session: Session, items: Sequence[Item], counts: Counts) -> None:
    """Print the first of `items`, and how many more there are by `counts`."""
    for item in items[:MOST_LISTED]:
        kind = Cell(f"{item.kind:10}", BAD if item.kind is Kind.DELETED else "")
        session.screen.line(kind, f" {item.path.decode(errors='replace')}")
    if counts.entries > MOST_LISTED:
        session.screen.line(f"and {counts.entries - MOST_LISTED} more")

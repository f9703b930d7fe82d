"""`log`: the syncs and restores of the past."""

from __future__ import annotations

from dataclasses import asdict
from itertools import groupby

from repoman_tasks.cli.task import task
from repoman_tasks.errors import ExitCode, UsageError
from repoman_tasks.planning.mirror.attempts import Record
from repoman_tasks.planning.text.layout import BAD, FAINT, Cell, Column
from repoman_tasks.planning.text.wording import format_counts, format_seconds, plural
from repoman_tasks.session import Session

_MOST = 100
"""The number of records to print by default."""


@task(
    positional=["name"],
    help={
        "name": "Name of a project, also of a former one (default: all).",
        "limit": "Number of records to print (default: 100).",
        "json": "Print JSON.",
    },
    examples={
        "repoman log": "Show the last syncs and restores, newest first",
        "repoman log isurus --limit 1": "Show how the last one of a project ended",
        "repoman log --json": "Print JSON for a script",
    },
    exit_codes={},
)
def log(
    session: Session, name: str | None = None, limit: int | None = None, json: bool = False
) -> None:
    """Show past syncs, restores and verifications, newest first, and how they ended.

    The file that they are in is limited to the newest ones, some ten thousand.
    """
    if limit is not None and limit < 1:
        raise UsageError(f"--limit {limit}", "must be at least 1")
    found = session.store.mirrors.log.submit_read().result()
    records = [record for record in found if name in (None, record.project)]
    shown = records[: limit or _MOST]
    if json:
        session.screen.json({"schema": 1, "records": [asdict(record) for record in shown]})
        return
    if not shown:
        whose = f" of {name}" if name else ""
        session.screen.note(f"No sync or restore{whose} is recorded yet.")
        return
    columns = (Column("TIME"), Column("PROJECT"), Column("COMMAND"), Column("RESULT", min_width=24))
    session.screen.table(columns, [_row(list(group)) for _, group in groupby(shown, _group)])
    if len(records) > len(shown):
        session.screen.note(f"{len(records) - len(shown)} older ones: pass --limit")


def _group(record: Record) -> tuple[object, ...]:
    """Return what records have in common that become one row: unchanged, at the same time."""
    kind = (record.command, record.time[:13])
    return kind if _unchanged(record) else (*kind, record)


def _unchanged(record: Record) -> bool:
    return record.exit == 0 and not (record.new or record.changed or record.deleted)


def _row(records: list[Record]) -> list[Cell]:
    """Return the cells of a record, or of several without changes."""
    first = records[0]
    names = {record.project for record in records}
    subject = first.project if len(names) == 1 else plural(len(names), "project")
    counts = format_counts(first.changed, first.new, first.deleted, first.bytes)
    counts = "no damage" if first.command == "verify" else counts
    time = first.time.replace("T", " ").removesuffix("Z")
    if first.exit:
        refused = "refused: " if first.exit == ExitCode.REFUSED else ""
        result = Cell(f"{refused}{first.error}", BAD)
    else:
        longest = max(record.seconds for record in records)
        result = Cell(f"{counts}, {format_seconds(longest)}", FAINT if _unchanged(first) else "")
    return [Cell(time), Cell(subject), Cell(first.command), result]

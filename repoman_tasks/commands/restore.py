"""`restore`: bring files back from a mirror, or from a snapshot of the share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict

from repoman_tasks.actions.facts import readable_share, reconcile
from repoman_tasks.actions.logged_attempt import logged_restore
from repoman_tasks.actions.restore_checks import prepare_restore
from repoman_tasks.cli.task import task
from repoman_tasks.errors import Busy, ExitCode, Failed, Interrupted, UsageError
from repoman_tasks.hosts.base import Locked
from repoman_tasks.mirror.restore_run import Restore
from repoman_tasks.planning.mirror.restore_plan import RestoreOptions
from repoman_tasks.planning.mirror.sync_plan import Counts
from repoman_tasks.planning.prompts import GO_AHEAD
from repoman_tasks.planning.text.layout import BAD, Cell
from repoman_tasks.planning.text.wording import format_size, plural
from repoman_tasks.session import Session
from repoman_tasks.tools import rsync
from repoman_tasks.tools.git_guard_files import guard_folders
from repoman_tasks.wizards.project_choice import ask_restore

_MOST = 20
"""The most changes to list."""


@task(
    wizard=ask_restore,
    pre=[reconcile, readable_share],
    positional=["name", "path"],
    greedy=True,
    help={
        "name": "Name of the project.",
        "path": "Files and folders in the repo (default: all of it).",
        "at": "Time, or name of a snapshot of the share (default: the mirror as it is).",
        "to": "New folder for the copy (default: the repo's own place if it is missing or empty, "
        "else one in ~/restored).",
        "in_place": "Make the repo equal to the copy; what it replaces is moved to ~/restored.",
        "dry_run": "Show what would be restored, and write nothing.",
        "json": "Print JSON.",
    },
    examples={
        "repoman restore isurus": "Bring a lost repo back from its mirror",
        "repoman restore isurus docs/plan.md --at yesterday": (
            "Bring a file back as it was at the end of yesterday"
        ),
        "repoman restore isurus --in-place --dry-run": "Show what differs from the mirror",
    },
    exit_codes={
        "4": "not everything could be restored, or a sync of the project is running",
        "5": "the backup share is not usable",
        "6": "refused, because something could be lost",
        "130": "interrupted; the same command goes on where it stopped",
    },
)
def restore(
    session: Session,
    name: str | None = None,
    *,
    path: list[str],
    at: str = "",
    to: str = "",
    in_place: bool = False,
    dry_run: bool = False,
    json: bool = False,
) -> int:
    """Bring a repo, or files of it, back from its mirror or from a snapshot of the share.

    Nothing is overwritten: the copy becomes a new folder; with --in-place, what it replaces is
    moved aside. The copy is compared with its source afterwards.
    """
    if name is None:
        raise UsageError("restore needs a name", "`repoman restore NAME`")
    dry, items = dry_run or session.dry, list[rsync.Item]()
    options = RestoreOptions(tuple(path), at, to, in_place)
    run = prepare_restore(
        session, name, options, lambda item: items.append(item) if len(items) < _MOST else None
    )
    counts = run.preview() if dry or in_place else Counts()
    if dry or (in_place and not counts.entries):
        if not json:
            _list(session, items, counts)
        return _report(session, run, counts, json=json, dry_run=True)
    if in_place:
        _confirm(session, run, items, counts)
    whole = not path and run.target.folder.endswith(f"/{run.source.repo}")
    with _lock(session, name), logged_restore(session, name, in_its_place=whole) as result:
        guard_folders(session.host, run.target.folders)  # git must not trust a copy, either
        result.counts = run.run()
        different = run.differences()
        if different:
            result.fail(Failed(f"{plural(different, 'entry', 'entries')} of the copy differ"))
    counts = result.counts
    return _report(session, run, counts, json=json, different=different)


def _list(session: Session, items: list[rsync.Item], counts: Counts) -> None:
    for item in items:
        kind = Cell(f"{item.kind:10}", BAD if item.kind is rsync.Kind.DELETED else "")
        session.screen.line(kind, f" {item.path.decode(errors='replace')}")
    if counts.entries > len(items):
        session.screen.line(f"and {counts.entries - len(items)} more")


def _confirm(session: Session, run: Restore, items: list[rsync.Item], counts: Counts) -> None:
    """Show what changes in place and ask; raise Interrupted if it is denied."""
    if session.prompter.possible:
        _list(session, items, counts)
        session.screen.note(f"what is replaced or deleted is moved to {run.target.aside}")
    if not session.prompter.confirm(GO_AHEAD, default=False):
        raise Interrupted(session.prompter.outcome)


@contextmanager
def _lock(session: Session, name: str) -> Iterator[None]:
    """Keep a sync of the project out."""
    try:
        with session.host.lock(session.store.lock_path(name)):
            yield
    except Locked as error:
        raise Busy(f"a sync of {name} is running, {error}", "let it finish") from None


def _report(
    session: Session,
    run: Restore,
    counts: Counts,
    *,
    json: bool,
    dry_run: bool = False,
    different: int = 0,
) -> int:
    """Print the result; return the exit code."""
    code = ExitCode.SOME_FAILED if different else ExitCode.OK
    if json:
        session.screen.json(_as_json(run, counts, dry_run=dry_run, different=different))
        return code
    source, target = run.source, run.target
    if target.in_place and not counts.entries:
        session.screen.line(f"nothing to do: {target.folder} has all of it")
        return code
    what = "the mirror" if source.label == "mirror" else f"the snapshot {source.label}"
    verb = "would be restored" if dry_run else "restored"
    entries = plural(counts.entries, "entry", "entries")
    session.screen.line(
        f"{entries} ({format_size(counts.bytes)}) {verb} from {what} to {target.folder}"
    )
    if target.aside and not dry_run:
        session.screen.line(f"what was replaced is in {target.aside}")
    if different:
        session.screen.note(
            f"{plural(different, 'entry', 'entries')} of the copy differ: run it again"
        )
    elif not dry_run:
        session.screen.line("compared with its source: no difference")
    return code


def _as_json(run: Restore, counts: Counts, *, dry_run: bool, different: int) -> dict[str, object]:
    source, target = run.source, run.target
    return {
        "schema": 1,
        "source": source.label,
        "taken": source.taken or None,
        "repo": source.repo,
        "paths": list(source.paths),
        "target": target.folder,
        "replaced": (target.aside or None) if not dry_run else None,
        "dry_run": dry_run,
        **asdict(counts),
        "different": different,
    }

"""`restore`: bring files back from a mirror, or from a snapshot of the share."""

from __future__ import annotations

from dataclasses import asdict

from repoman_tasks.actions.facts import readable_share, reconcile, require_share
from repoman_tasks.actions.listed_changes import MOST_LISTED, list_changes
from repoman_tasks.actions.logged_attempt import logged_restore
from repoman_tasks.actions.restore_checks import (
    check_stays_stopped,
    lock_restore,
    missing_repos,
    prepare_restore,
)
from repoman_tasks.cli.task import task
from repoman_tasks.errors import (
    ExitCode,
    Failed,
    Interrupted,
    RepomanError,
    TargetUnusable,
    UsageError,
)
from repoman_tasks.late_dataclass import dataclass
from repoman_tasks.mirror.restore_run import Restore
from repoman_tasks.planning.mirror.restore_plan import RestoreOptions
from repoman_tasks.planning.mirror.sync_plan import Counts
from repoman_tasks.planning.prompts import GO_AHEAD
from repoman_tasks.planning.text.wording import format_size, plural
from repoman_tasks.session import Session
from repoman_tasks.tools import rsync
from repoman_tasks.tools.git_guard_files import guard_folders
from repoman_tasks.wizards.project_choice import ask_restore


@task(
    wizard=ask_restore,
    pre=[reconcile, readable_share],
    positional=["name", "path"],
    greedy=True,
    help={
        "name": "Name of the project.",
        "path": "Files and folders in the repo (default: all of it).",
        "all": "Bring back each repo that is missing or empty.",
        "from_mirror": "Restore from the mirror as it is (the default).",
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
        "repoman restore --all": "Bring all lost repos back, after the disk was replaced",
        "repoman restore isurus --in-place --dry-run": "Show what differs from the mirror",
    },
    exit_codes={
        "4": "not everything could be restored, or a sync or restore of the project is running",
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
    all: bool = False,
    from_mirror: bool = False,
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
    if from_mirror and at:
        raise UsageError("--from-mirror and --at can't be combined", "choose one")
    options, dry = RestoreOptions(tuple(path), at, to, in_place), dry_run or session.dry
    if all:
        if name is not None or to or in_place:
            raise UsageError("--all takes no name, --to or --in-place", "leave them out")
        return _restore_all(session, options, json=json, dry=dry)
    if name is None:
        raise UsageError("restore needs a name", "`repoman restore NAME`")
    result = _restore(session, name, options, quiet=json, dry=dry)
    if json:
        session.screen.json({"schema": 1, **_as_json(result)})
    return _exit_code(result)


@dataclass(frozen=True)
class _Result:
    """Result of the restore of one project."""

    run: Restore
    counts: Counts
    dry: bool = False
    different: int = 0


def _exit_code(result: _Result) -> ExitCode:
    return ExitCode.SOME_FAILED if result.different else ExitCode.OK


def _restore_all(session: Session, options: RestoreOptions, *, json: bool, dry: bool) -> int:
    """Restore each repo that is missing or empty; return the exit code."""
    require_share(session, readable_share)  # an error of it is not one of each project
    results, failed = [], dict[str, str]()
    for project in missing_repos(session):
        try:
            results.append(_restore(session, project.name, options, quiet=json, dry=dry))
        except (Interrupted, TargetUnusable):
            raise
        except RepomanError as error:
            failed[project.name] = str(error)
            session.screen.note(f"{project.name}: {error}")
    if json:
        done = [_as_json(result) for result in results]
        session.screen.json({"schema": 1, "restored": done, "failed": failed})
    elif not (results or failed):
        session.screen.line("nothing to do: no repo is missing")
    return ExitCode.SOME_FAILED if failed else max(map(_exit_code, results), default=ExitCode.OK)


def _restore(
    session: Session, name: str, options: RestoreOptions, *, quiet: bool, dry: bool
) -> _Result:
    """Restore the project called `name`, and print the result unless `quiet`."""
    items = list[rsync.Item]()
    run = prepare_restore(
        session,
        name,
        options,
        lambda item: items.append(item) if len(items) < MOST_LISTED else None,
    )
    counts = run.preview() if dry or options.in_place else Counts()
    if dry or (options.in_place and not counts.entries):
        if not quiet:
            list_changes(session, items, counts)
        return _shown(session, _Result(run, counts, dry=True), quiet=quiet)
    if options.in_place:
        _confirm(session, run, items, counts)
        check_stays_stopped(session, name)
    whole = not options.paths and run.target.folder.endswith(f"/{run.source.repo}")
    with (
        lock_restore(session, name) as lock,
        logged_restore(session, name, in_its_place=whole) as outcome,
    ):
        guard_folders(session.host, run.target.folders)  # git must not trust a copy, either
        outcome.counts = run.run([lock])
        different = run.differences()
        if different:
            outcome.fail(Failed(f"{plural(different, 'entry', 'entries')} of the copy differ"))
    return _shown(session, _Result(run, outcome.counts, different=different), quiet=quiet)


def _confirm(session: Session, run: Restore, items: list[rsync.Item], counts: Counts) -> None:
    """Show what changes in place and ask; raise Interrupted if it is denied."""
    if session.prompter.possible:
        list_changes(session, items, counts)
        session.screen.note(f"what is replaced or deleted is moved to {run.target.aside}")
    if not session.prompter.confirm(GO_AHEAD, default=False):
        raise Interrupted(session.prompter.outcome)


def _shown(session: Session, result: _Result, *, quiet: bool) -> _Result:
    """Print the result unless `quiet`, and return it."""
    if quiet:
        return result
    screen, counts = session.screen, result.counts
    source, target = result.run.source, result.run.target
    if target.in_place and not counts.entries:
        screen.line(f"nothing to do: {target.folder} has all of it")
        return result
    what = "the mirror" if source.label == "mirror" else f"the snapshot {source.label}"
    verb = "would be restored" if result.dry else "restored"
    entries = plural(counts.entries, "entry", "entries")
    screen.line(f"{entries} ({format_size(counts.bytes)}) {verb} from {what} to {target.folder}")
    if target.aside and not result.dry:
        screen.line(f"what was replaced is in {target.aside}")
    if result.different:
        differing = plural(result.different, "entry", "entries")
        screen.note(f"{differing} of the copy differ: run it again")
    elif not result.dry:
        screen.line("compared with its source: no difference")
    return result


def _as_json(result: _Result) -> dict[str, object]:
    source, target = result.run.source, result.run.target
    return {
        "source": source.label,
        "taken": source.taken or None,
        "repo": source.repo,
        "paths": list(source.paths),
        "target": target.folder,
        "replaced": (target.aside or None) if not result.dry else None,
        "dry_run": result.dry,
        **asdict(result.counts),
        "different": result.different,
    }

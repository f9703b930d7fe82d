"""`sync`: mirror the repos to the share."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict

from repoman_tasks.bars import Bars
from repoman_tasks.checks import mounts, reconcile, usable
from repoman_tasks.cli.task import task
from repoman_tasks.mirror.estate import mirror_estate
from repoman_tasks.mirror.events import Event, Finished, Itemized, Progress, Started
from repoman_tasks.mirror.passes import Setting
from repoman_tasks.planning.layout import BAD, FAINT, Cell
from repoman_tasks.planning.sync import (
    Counts,
    Outcome,
    SyncOptions,
    SyncPlan,
    exit_code,
    plan,
    total,
)
from repoman_tasks.planning.wording import plural, seconds, size, sum_line
from repoman_tasks.report import Screen
from repoman_tasks.session import Session
from repoman_tasks.tools.rsync import Kind


@task(
    pre=[reconcile, mounts],
    positional=["name"],
    help={
        "name": "Name of a project; all that have a backup by default.",
        "dry_run": "List what would change; write nothing.",
        "no_delete": "Leave in the mirror what is gone from the repo.",
        "force": "Mirror a repo although it lost much since its last sync.",
        "itemize": "List each change.",
        "jobs": "Projects at the same time.",
        "wait": "Wait for a sync of the same project that is running.",
        "json": "Print JSON.",
    },
)
def sync(
    session: Session,
    name: str | None = None,
    dry_run: bool = False,
    no_delete: bool = False,
    force: bool = False,
    itemize: bool = False,
    jobs: int | None = None,
    wait: bool = False,
    json: bool = False,
) -> int:
    """Mirror the repos to the backup share."""
    reality = session.of(reconcile)
    bars = session.screen.live and not (json or itemize or dry_run)
    options = SyncOptions(
        delete=not no_delete,
        dry_run=dry_run,
        force=force,
        wait=wait,
        itemize=(itemize or dry_run) and not json,
        progress=bars,
    )
    planned = plan(reality.registry, name, jobs, options)
    share = usable(session)
    modes = share.survey([project.repo for project in planned.projects])
    setting = Setting(
        host=session.host,
        share=share,
        modes=modes,
        registry=reality.registry,
        local_repos=reality.local_repos,
        options=options,
        emit=lambda _: None,
        now=session.now,
        lock_path=session.store.lock_path,
    )
    quiet = json or session.dry  # --dry shows the words that it does not run
    with _watching(session.screen, planned, quiet=quiet, bars=bars) as see:
        outcomes = mirror_estate(setting, planned, session.store, see)
    code = exit_code(planned, outcomes)
    if json:
        session.screen.json(_as_json(outcomes, options, int(code)))
    elif len(outcomes) != 1 and not session.dry:
        session.screen.line(_sum(outcomes, options))
    return code


@contextmanager
def _watching(
    screen: Screen, planned: SyncPlan, *, quiet: bool, bars: bool
) -> Iterator[Callable[[Event], None]]:
    """What to do with each event: bars on a terminal, lines elsewhere, errors always."""
    if not bars:
        yield lambda event: _in_lines(screen, event, quiet)
        return
    widest = max((len(project.name) for project in planned.projects), default=0)
    with Bars(len(planned.projects)) as shown:
        yield lambda event: _in_bars(shown, event, widest)


def _in_lines(screen: Screen, event: Event, quiet: bool) -> None:
    if isinstance(event, Itemized):
        path = event.path.encode(errors="surrogateescape").decode(errors="replace")
        kind = Cell(f"{event.kind:10}", BAD if event.kind is Kind.DELETED else "")
        screen.line(f"{event.name}: ", kind, f" {path}")
    elif isinstance(event, Finished):
        outcome = event.outcome
        if not outcome.ok:
            screen.note(_line(outcome))
        elif not quiet:
            screen.line(_line(outcome))
        for warning in outcome.warnings:
            screen.note(f"{outcome.name}: warning: {warning}")


def _in_bars(bars: Bars, event: Event, widest: int) -> None:
    if isinstance(event, Started):
        bars.started(event.name)
    elif isinstance(event, Progress):
        bars.moved(event.name, event.percent, size(event.bytes))
    elif isinstance(event, Finished):
        outcome = event.outcome
        warnings = [Cell(f"{outcome.name}: warning: {text}", BAD) for text in outcome.warnings]
        bars.finished(outcome.name, Cell(_line(outcome, widest), _look(outcome)), *warnings)


def _line(outcome: Outcome, widest: int = 0) -> str:
    """What became of a project; below one another where `widest` is that of the longest name."""
    if not outcome.ok:
        return f"repoman: {outcome.name}: {outcome.error}"
    what = f"{_counted(outcome.counts)}, {seconds(outcome.seconds)}"
    return f"{outcome.name + ':':{widest + 1}} {what}"


def _look(outcome: Outcome) -> str:
    if not outcome.ok:
        return BAD
    return "" if _changed(outcome.counts) else FAINT


def _changed(counts: Counts) -> bool:
    return bool(counts.changed or counts.new or counts.deleted)


def _counted(counts: Counts) -> str:
    return sum_line(counts.changed, counts.new, counts.deleted, counts.bytes)


def _sum(outcomes: Sequence[Outcome], options: SyncOptions) -> str:
    if not outcomes:
        return "no project has a backup: `repoman new NAME --no-container` registers one"
    failed = sum(not outcome.ok for outcome in outcomes)
    verb = "would be mirrored" if options.dry_run else "mirrored"
    rest = f", {failed} failed" if failed else ""
    return f"{plural(len(outcomes) - failed, 'project')} {verb}{rest}: {_counted(total(outcomes))}"


def _as_json(outcomes: Sequence[Outcome], options: SyncOptions, code: int) -> dict[str, object]:
    return {
        "schema": 1,
        "dry_run": options.dry_run,
        "exit": code,
        "projects": [
            {
                "name": outcome.name,
                "ok": outcome.ok,
                "exit": int(outcome.code),
                "error": outcome.error or None,
                **asdict(outcome.counts),
                "seconds": round(outcome.seconds, 3),
                "warnings": outcome.warnings,
                "last_sync": outcome.synced_at or None,
            }
            for outcome in outcomes
        ],
        "total": asdict(total(outcomes)),
    }

"""Print a sync: bars on a terminal, lines elsewhere, JSON for programs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

from repoman_tasks.late_dataclass import dataclass
from repoman_tasks.mirror.events import Event, Finished, Itemized, Progress, Started
from repoman_tasks.planning.mirror.sync_plan import (
    Counts,
    Outcome,
    SyncOptions,
    SyncPlan,
    total_counts,
)
from repoman_tasks.planning.text.layout import BAD, FAINT, Cell
from repoman_tasks.planning.text.rate_limit import RateLimit
from repoman_tasks.planning.text.wording import format_counts, format_seconds, format_size, plural
from repoman_tasks.terminal.progress_bars import Bars
from repoman_tasks.terminal.screen import Screen

__all__ = ["OutputOptions", "show_events", "show_result", "sync_json"]

SCHEMA = 1
See = Callable[[Event], None]


@dataclass(frozen=True)
class OutputOptions:
    """The form of the output that was chosen."""

    json: bool = False
    """Print one JSON object at the end."""
    lines: bool = False
    """Print JSON objects, one a line, while the sync runs."""
    bars: bool = False
    quiet: bool = False
    """Print no line for a project that went well."""

    @property
    def progress(self) -> bool:
        """Return True if rsync has to report its progress."""
        return self.bars or self.lines


@contextmanager
def show_events(
    screen: Screen, output: OutputOptions, planned: SyncPlan, now: Callable[[], str]
) -> Iterator[See]:
    """Yield a function that prints an event. Failures go to standard error in every form.

    Of several projects, those without changes get no line, unless changes are itemized.
    """
    all_lines = len(planned.projects) == 1 or planned.options.itemize
    if output.bars:
        widest = max((len(project.name) for project in planned.projects), default=0)
        screen.listen(None)
        with Bars(len(planned.projects)) as shown:
            yield lambda event: _in_bars(shown, event, widest, all_lines=all_lines)
    elif output.lines:
        yield _Lines(screen, now)
    else:
        yield lambda event: _in_lines(screen, event, output.quiet, all_lines=all_lines)


def show_result(
    screen: Screen,
    output: OutputOptions,
    outcomes: Sequence[Outcome],
    options: SyncOptions,
    code: int,
    now: Callable[[], str],
) -> None:
    """Print the total; `code` is the command's exit code."""
    if output.json:
        screen.json(sync_json(outcomes, options, code))
    elif output.lines:
        failed = sum(not outcome.ok for outcome in outcomes)
        about = {"projects": len(outcomes), "failed": failed, **asdict(total_counts(outcomes))}
        ended = {"dry_run": options.dry_run, "exit": code, **about}
        line = {"schema": SCHEMA, "time": now(), "event": "total", **ended}
        screen.json_line(line, last=True)
    elif len(outcomes) != 1 and not output.quiet:
        screen.line(_sum(outcomes, options))


# --- for a person ------------------------------------------------------------------------


def _in_lines(screen: Screen, event: Event, quiet: bool, *, all_lines: bool = True) -> None:
    if isinstance(event, Itemized):
        path = event.path.encode(errors="surrogateescape").decode(errors="replace")
        kind = Cell(f"{event.kind:10}", BAD if event.kind == "deleted" else "")
        screen.line(f"{event.name}: ", kind, f" {path}")
    elif isinstance(event, Finished):
        outcome = event.outcome
        if not outcome.ok:
            screen.note(_line(outcome))
        elif not quiet and (all_lines or _changed(outcome.counts)):
            screen.line(_line(outcome))
        for warning in outcome.warnings:
            screen.note(f"{outcome.name}: warning: {warning}")


def _in_bars(bars: Bars, event: Event, widest: int, *, all_lines: bool) -> None:
    if isinstance(event, Started):
        bars.started(event.name)
    elif isinstance(event, Progress):
        bars.moved(event.name, event.percent, format_size(event.bytes))
    elif isinstance(event, Finished):
        outcome = event.outcome
        warnings = [Cell(f"{outcome.name}: warning: {text}", BAD) for text in outcome.warnings]
        shown = all_lines or not outcome.ok or _changed(outcome.counts)
        line = [Cell(_line(outcome, widest), _look(outcome))] if shown else []
        bars.finished(outcome.name, *line, *warnings)


def _line(outcome: Outcome, widest: int = 0) -> str:
    """Return the result line of a project, its columns aligned to the longest name's width."""
    if not outcome.ok:
        return f"repoman: {outcome.name}: {outcome.error}"
    what = f"{_counted(outcome.counts)}, {format_seconds(outcome.seconds)}"
    return f"{outcome.name + ':':{widest + 1}} {what}"


def _look(outcome: Outcome) -> str:
    if not outcome.ok:
        return BAD
    return "" if _changed(outcome.counts) else FAINT


def _changed(counts: Counts) -> bool:
    return bool(counts.changed or counts.new or counts.deleted)


def _counted(counts: Counts) -> str:
    return format_counts(counts.changed, counts.new, counts.deleted, counts.bytes)


def _sum(outcomes: Sequence[Outcome], options: SyncOptions) -> str:
    if not outcomes:
        return "no project has a backup: add one by `repoman new NAME --no-container`"
    failed = sum(not outcome.ok for outcome in outcomes)
    verb = "would be mirrored" if options.dry_run else "mirrored"
    rest = f", {failed} failed" if failed else ""
    ok = [outcome for outcome in outcomes if outcome.ok]
    unchanged = sum(not _changed(outcome.counts) for outcome in ok)
    rest += f", {unchanged} unchanged" if 0 < unchanged < len(ok) else ""
    mirrored = plural(len(ok), "project")
    return f"{mirrored} {verb}{rest}: {_counted(total_counts(outcomes))}"


# --- for a program, as docs/json.md has it ------------------------------------------------


class _Lines:
    """Prints a line of JSON for each event; `started` once per project, even if it is retried."""

    def __init__(self, screen: Screen, now: Callable[[], str]) -> None:
        self._screen = screen
        self._now = now
        self._started: set[str] = set()
        self._pace = RateLimit()

    def __call__(self, event: Event) -> None:
        if isinstance(event, Started) and event.name not in self._started:
            self._started.add(event.name)
            self._print("started", event.name)
        elif isinstance(event, Progress) and self._pace.due(event.name, time.monotonic()):
            self._print("progress", event.name, bytes=event.bytes, percent=event.percent)
        elif isinstance(event, Finished):
            outcome = event.outcome
            about = {key: value for key, value in _outcome(outcome).items() if key != "ok"}
            self._print("finished" if outcome.ok else "failed", outcome.name, **about)
            _in_lines(self._screen, event, quiet=True)

    def _print(self, event: str, project: str, **more: Any) -> None:
        head = {"schema": SCHEMA, "time": self._now(), "event": event, "project": project}
        self._screen.json_line({**head, **more})


def _outcome(outcome: Outcome) -> dict[str, object]:
    return {
        "ok": outcome.ok,
        "exit": int(outcome.code),
        "error": outcome.error or None,
        **asdict(outcome.counts),
        "seconds": round(outcome.seconds, 3),
        "warnings": outcome.warnings,
        "last_sync": outcome.synced_at or None,
    }


def sync_json(outcomes: Sequence[Outcome], options: SyncOptions, code: int) -> dict[str, object]:
    """Return what `sync --json` prints; `code` is the command's exit code."""
    return {
        "schema": SCHEMA,
        "dry_run": options.dry_run,
        "exit": code,
        "projects": [{"name": outcome.name, **_outcome(outcome)} for outcome in outcomes],
        "total": asdict(total_counts(outcomes)),
    }

"""Make the records of syncs, restores and verifies, also of those that failed. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, fields, replace
from functools import cache

from repoman_tasks.errors import ExitCode, Interrupted
from repoman_tasks.late_dataclass import dataclass
from repoman_tasks.model import Failure, Project
from repoman_tasks.planning.mirror.known_mirrors import Mirrors
from repoman_tasks.planning.mirror.sync_plan import Outcome
from repoman_tasks.planning.text.wording import hours_since

__all__ = [
    "INTERRUPTIONS",
    "Record",
    "begin",
    "killed",
    "noted",
    "outcome_record",
    "records_in",
    "records_text",
    "reportable",
    "restored",
    "without_older",
]

INTERRUPTIONS = 3
"""Number of interruptions in a row from which they are a problem. One may be a person's Ctrl-C."""
_MOST_TEXT = 1000
"""The most characters to keep of an error."""


@dataclass(frozen=True)
class Record:
    """One sync, restore or verify of one project."""

    time: str
    """When it ended (UTC)."""
    project: str
    command: str
    """`sync`, `restore` or `verify`."""
    exit: int
    """Exit code of the project."""
    seconds: float
    new: int = 0
    changed: int = 0
    deleted: int = 0
    attributes: int = 0
    bytes: int = 0
    error: str = ""
    """The error with its cure; empty if it succeeded."""


_KINDS = {"str": (str,), "int": (int,), "float": (int, float)}


@cache
def _types() -> Mapping[str, tuple[type, ...]]:
    """Return the types of each value of a record."""
    return {field.name: _KINDS[str(field.type)] for field in fields(Record)}


def outcome_record(command: str, outcome: Outcome) -> Record:
    """Return the record of an attempt that has ended."""
    text = outcome.error
    return Record(
        outcome.ended_at,
        outcome.name,
        command,
        int(outcome.code),
        round(outcome.seconds, 3),
        **asdict(outcome.counts),
        error=text if len(text) <= _MOST_TEXT else f"{text[: _MOST_TEXT - 1]}…",
    )


def records_text(records: Iterable[Record]) -> bytes:
    """Return a line of JSON for each of `records`.

    It begins with a line break, which ends a line that a full disk or a crash cut short.
    """
    return "".join(f"\n{json.dumps(asdict(record))}" for record in records).encode() + b"\n"


def records_in(data: bytes) -> list[Record]:
    """Return the records in a file's content, newest first. Lines of another form are left out.

    A line that was written twice, because a connection failed, counts once.
    """
    lines = dict.fromkeys(data.split(b"\n"))
    return [record for line in reversed(lines) if line and (record := _parsed(line))]


def without_older(data: bytes, size: int) -> bytes:
    """Return the newest lines of `data`, at most `size` bytes."""
    return data[-size:].partition(b"\n")[2] if len(data) > size else data


def _parsed(line: bytes) -> Record | None:
    try:
        table = json.loads(line)
        known = {name: table[name] for name in _types()}
    except (ValueError, LookupError, TypeError, RecursionError):
        return None
    good = all(isinstance(known[name], kind) for name, kind in _types().items())
    return Record(**known) if good else None


# --- the last attempt of each project --------------------------------------------------------


def noted(known: Mirrors, outcomes: Iterable[Outcome]) -> Mirrors:
    """Return `known` after `outcomes`: the counts of complete mirrors, and the failures.

    The digests of complete ones follow when the run has ended. The state of an unchanged mirror
    stays, unless another sync has written it meanwhile.
    """
    states, failures, begun = {}, dict(known.failures), dict(known.begun)
    for outcome in outcomes:
        _note_failure(failures, outcome)
        if outcome.altered is not None:
            known = known.having_altered(outcome.name, outcome.altered)
        if not outcome.busy:
            begun.pop(outcome.name, None)
        if not outcome.ok or outcome.state is None:
            continue
        if not outcome.unchanged:
            states[outcome.name] = replace(outcome.state, digest="")
        elif known.projects.get(outcome.name) == outcome.state and outcome.name not in known.open:
            states[outcome.name] = replace(
                outcome.state, last_sync=outcome.synced_at, before=outcome.state.last_sync
            )
    return replace(known.having(states), failures=failures, begun=begun)


def begin(
    known: Mirrors, names: Iterable[str], run: str, now: str, is_over: Callable[[str], bool]
) -> tuple[Mirrors, list[Outcome]]:
    """Return `known` for the process `run` that begins to write mirrors at the time `now`.

    Also return the outcomes of the syncs of `names` that were killed; see `killed`.
    """
    begun = dict.fromkeys(names, f"{now} {run}")
    ends = killed(known, begun, is_over)
    return replace(noted(known, ends), begun={**known.begun, **begun}), ends


def killed(known: Mirrors, names: Iterable[str], is_over: Callable[[str], bool]) -> list[Outcome]:
    """Return the outcomes of syncs of `names` that noted no end, and whose process is over.

    `is_over` is given a process as `begin` got it.
    """
    outcomes = []
    for name in names:
        began, _, run = known.begun.get(name, "").partition(" ")
        if began and is_over(run):
            outcome = Outcome(name, ended_at=began)
            outcome.fail(Interrupted("killed before it ended"))
            outcomes.append(outcome)
    return outcomes


def _note_failure(failures: dict[str, Failure], outcome: Outcome) -> None:
    """Replace the failure of a project by that of its latest attempt.

    Another sync of the project that was running is none: that one has an outcome, too. And an
    interruption says nothing against what the attempt before it found.
    """
    before = failures.get(outcome.name)
    if outcome.ok:
        failures.pop(outcome.name, None)
    elif not outcome.busy:
        times = before.times + 1 if before else 1
        what, cure = outcome.what[:_MOST_TEXT], outcome.cure[:_MOST_TEXT]
        failure = Failure(outcome.ended_at, int(outcome.code), what, cure, times)
        if before and outcome.code is ExitCode.INTERRUPTED != before.code:
            failure = replace(before, times=times)
        failures[outcome.name] = failure


def restored(known: Mirrors, name: str) -> Mirrors:
    """Return `known` after the repo was restored: what its last failure advised is done."""
    failure = known.failures.get(name)
    if failure is None:
        return known
    return replace(known, failures={**known.failures, name: replace(failure, cure="")})


def reportable(project: Project, failures: Mapping[str, Failure]) -> Failure | None:
    """Return the failure of the project's last sync if a person should know it, else None.

    One from before the last complete sync, or from before the project was registered, which may
    have replaced another one of this name, is over.
    """
    failure = failures.get(project.name)
    if failure is None or not project.backup:
        return None
    since = (project.last_sync, project.created)
    if any(then and hours_since(failure.time, then) > 0 for then in since):
        return None
    once = failure.code == ExitCode.INTERRUPTED and failure.times < INTERRUPTIONS
    return None if once else failure

"""`verify`: compare mirrors with their repos, by content."""

from __future__ import annotations

from collections.abc import Sequence

from repoman_tasks.actions.facts import readable_share, reconcile, require_share
from repoman_tasks.actions.sync_facts import sync_context
from repoman_tasks.actions.verification import describe, verify_each
from repoman_tasks.cli.task import task
from repoman_tasks.errors import ExitCode, UsageError
from repoman_tasks.planning.mirror.damage import Verdict, damage_cure
from repoman_tasks.planning.mirror.sync_plan import (
    SyncOptions,
    SyncPlan,
    find_project,
    plan_sync,
)
from repoman_tasks.planning.text.layout import BAD, GOOD, STRONG, Cell
from repoman_tasks.session import Session

_MOST = 20
"""The most damaged entries to list."""


@task(
    pre=[reconcile, readable_share],
    positional=["name"],
    help={
        "name": "Names of projects (default: all that have a backup).",
        "full": "Compare all files, and check git objects by their names (the default).",
        "sample": "Compare the next PERCENT of the files only, in turn.",
        "json": "Print JSON.",
    },
    examples={
        "repoman verify": "Compare all mirrors with their repos",
        "repoman verify isurus --sample 10": "Compare the next tenth of the files of one",
    },
    exit_codes={
        "3": "a mirror is damaged",
        "4": "a mirror could not be compared",
        "5": "the backup share is not usable",
        "130": "interrupted",
    },
)
def verify(
    session: Session,
    name: list[str],
    *,
    full: bool = False,
    sample: int | None = None,
    json: bool = False,
) -> int:
    """Compare mirrors with their repos, by content, and write nothing on the share.

    What the repo changed since its last sync is counted apart from damage. git objects are also
    checked by their own names, without the mirror's git configuration.
    """
    if full and sample is not None:
        raise UsageError("--full and --sample can't be combined", "choose one")
    if sample is not None and not 1 <= sample <= 100:
        raise UsageError(f"--sample {sample}", "must be 1 to 100")
    plan = _plan(session, name)
    context = sync_context(session, require_share(session, readable_share), plan)
    verdicts = []
    for verdict in verify_each(session, context, plan.projects, sample):
        verdicts.append(verdict)
        if not json:
            _show(session, verdict)
    if json:
        session.screen.json(_as_json(verdicts))
    return _exit_code(verdicts)


def _plan(session: Session, names: Sequence[str]) -> SyncPlan:
    """Return a plan of the projects called `names`, of all with a backup if there are none."""
    registry = session.of(reconcile).registry
    if not names:
        return plan_sync(registry, None, 1, SyncOptions())
    for name in names:
        plan_sync(registry, name, 1, SyncOptions())  # raises an error if it has no backup
    projects = tuple(find_project(registry, name) for name in dict.fromkeys(names))
    return SyncPlan(projects, 1, SyncOptions(), single=len(projects) == 1)


def _exit_code(verdicts: Sequence[Verdict]) -> ExitCode:
    if any(verdict.damaged or verdict.objects for verdict in verdicts):
        return ExitCode.UNHEALTHY
    codes = [verdict.code for verdict in verdicts if verdict.error]
    if not codes:
        return ExitCode.OK
    return codes[0] if len(verdicts) == 1 else ExitCode.SOME_FAILED


def _show(session: Session, verdict: Verdict) -> None:
    screen, mark = session.screen, Cell("✓", GOOD) if verdict.well else Cell("✗", BAD)
    screen.line(mark, " ", Cell(verdict.name, STRONG), f": {describe(verdict)}", hang=2)
    listed = [f"{how:10} {path}" for path, how in verdict.damaged.items()] + verdict.objects
    for text in listed[:_MOST]:
        screen.line(f"    {text}")
    if len(listed) > _MOST:
        screen.line(f"    and {len(listed) - _MOST} more")
    cure = verdict.cure if verdict.error else damage_cure(verdict.name) if listed else ""
    if cure:
        screen.line(f"    {cure}", hang=4)


def _as_json(verdicts: Sequence[Verdict]) -> dict[str, object]:
    return {
        "schema": 1,
        "projects": [
            {
                "name": verdict.name,
                "well": verdict.well,
                "error": ": ".join(filter(None, [verdict.error, verdict.cure])) or None,
                "files": verdict.files,
                "damaged": [{"path": path, "how": how} for path, how in verdict.damaged.items()],
                "objects": verdict.objects,
                "changed": verdict.changed,
                "last_verified": verdict.verified.last_verified or None,
                "proven": verdict.verified.proven,
                "seconds": round(verdict.seconds, 3),
            }
            for verdict in verdicts
        ],
    }

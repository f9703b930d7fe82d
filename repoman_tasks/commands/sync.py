"""`sync`: mirror the repos to the share."""

from __future__ import annotations

from repoman_tasks.actions.alerts import SyncAlerts
from repoman_tasks.actions.estate_copy import copy_registry, submit_copied
from repoman_tasks.actions.facts import reconcile, require_share, writable_share
from repoman_tasks.actions.forced_sync import confirm_force
from repoman_tasks.actions.sync_facts import sync_context
from repoman_tasks.actions.verification import verify_after_sync
from repoman_tasks.cli.task import task
from repoman_tasks.errors import ExitCode, RepomanError, UsageError
from repoman_tasks.mirror.rsync_pass import SyncContext
from repoman_tasks.mirror.sync_run import mirror_estate, record_unusable
from repoman_tasks.planning.mirror.known_mirrors import check_writer
from repoman_tasks.planning.mirror.sync_plan import (
    SyncOptions,
    SyncPlan,
    plan_sync,
    sync_exit_code,
)
from repoman_tasks.session import Session
from repoman_tasks.terminal.sync_output import OutputOptions, show_events, show_result

_VERIFY_SECONDS = 60
"""Time for --verify if the registry has none."""


@task(
    pre=[reconcile, writable_share],
    positional=["name"],
    help={
        "name": "Name of a project (default: all that have a backup).",
        "dry_run": "List what would change, and write nothing.",
        "no_delete": "Keep files in the mirror that the repo no longer has.",
        "force": "Make the mirror as empty as the repo, even if that lost most of its files; asks.",
        "full": "Compare the mirrors of unchanged repos, too.",
        "checksum": "Compare all files by content, not by size and time.",
        "verify": "Compare files of the mirrors by content afterwards, for verify_seconds or 60 s.",
        "itemize": "List each change.",
        "jobs": "Number of projects to mirror at the same time.",
        "wait": "Wait if another sync of the same project is running.",
        "json": "Print JSON.",
        "json_lines": "Print a line of JSON for each event, while it runs.",
    },
    examples={
        "repoman sync --dry-run": "List what would change",
        "repoman sync": "Mirror all projects",
        "repoman sync isurus --force": "Mirror a repo that is smaller on purpose",
        "repoman sync --no-input": "Mirror all projects from cron or a timer",
    },
    exit_codes={
        "3": "all is mirrored, but a mirror was found damaged",
        "4": "a project failed, or another sync of it is running",
        "5": "the backup share is not usable; nothing was written",
        "6": "refused, because files could be lost",
        "130": "interrupted, or a prompt was answered with no",
    },
)
def sync(
    session: Session,
    name: str | None = None,
    dry_run: bool = False,
    no_delete: bool = False,
    force: bool = False,
    full: bool = False,
    checksum: bool = False,
    verify: bool = False,
    itemize: bool = False,
    jobs: int | None = None,
    wait: bool = False,
    json: bool = False,
    json_lines: bool = False,
) -> int:
    """Mirror the repos to the backup share.

    What a repo no longer has is deleted from its mirror. A repo that is missing, or that lost most
    of its files since its last sync, is refused: its mirror stays as it is.
    """
    if json and json_lines:
        raise UsageError("--json and --json-lines can't be combined", "choose one")
    listed, in_json = itemize or dry_run, json or json_lines
    bars = session.screen.live and not (in_json or listed)
    # --dry prints the argv of each rsync instead of running it
    output = OutputOptions(json, json_lines, bars, quiet=json or session.dry)
    options = SyncOptions(
        delete=not no_delete,
        dry_run=dry_run,
        force=force,
        wait=wait,
        full=full or checksum,
        checksum=checksum,
        itemize=listed and not in_json,
        progress=output.progress,
    )
    if force and name is None and session.prompter.possible:
        raise UsageError("--force needs the name of a project", "`repoman sync NAME --force`")
    sync_plan = plan_sync(session.of(reconcile).registry, name, jobs, options)
    return _mirror(session, sync_plan, output, verify_seconds=_VERIFY_SECONDS * verify)


def _mirror(
    session: Session, sync_plan: SyncPlan, output: OutputOptions, *, verify_seconds: int
) -> int:
    """Mirror the projects of a plan, send alerts and print the result; return the exit code."""
    alerts = SyncAlerts(session, sync_plan)
    alerts.start()
    copied = submit_copied(session)
    context = _open_context(session, sync_plan, alerts)
    if sync_plan.options.force and not context.dry:
        confirm_force(session, context, sync_plan)
    with show_events(session.screen, output, sync_plan, session.now) as emit:
        outcomes = mirror_estate(context, sync_plan, session.store, emit)
    code = sync_exit_code(sync_plan, outcomes)
    complete = {outcome.name for outcome in outcomes if outcome.ok}
    if complete and not context.dry:
        copy_registry(session, context, complete, copied)
    seconds = context.registry.defaults.verify_seconds or verify_seconds
    if seconds and code is not ExitCode.INTERRUPTED and not context.dry:
        well = verify_after_sync(session, context, outcomes, seconds)
        code = ExitCode.UNHEALTHY if code is ExitCode.OK and not well else code
    show_result(session.screen, output, outcomes, sync_plan.options, int(code), session.now)
    alerts.send(outcomes, code)
    return code


def _open_context(session: Session, sync_plan: SyncPlan, alerts: SyncAlerts) -> SyncContext:
    """Return the context of the sync; if the share is not usable, note and tell that, and raise."""
    try:
        share = require_share(session, writable_share)
        context = sync_context(session, share, sync_plan)
        check_writer(context.mirrors, context.token, context.hostname, share.probe.path)
        return context
    except RepomanError as error:
        now, dry = session.now(), session.dry
        alerts.send(record_unusable(session.store, sync_plan, error, now, dry=dry), error.code)
        raise

"""`sync`: mirror the repos to the share."""

from __future__ import annotations

from repoman_tasks.actions.facts import backup_share, reconcile, require_share
from repoman_tasks.actions.forced_sync import confirm_force
from repoman_tasks.cli.task import task
from repoman_tasks.errors import RepomanError, UsageError
from repoman_tasks.mirror.rsync_pass import SyncContext
from repoman_tasks.mirror.sync_run import mirror_estate, record_unusable
from repoman_tasks.planning.mirror.sync_plan import SyncOptions, SyncPlan, plan_sync, sync_exit_code
from repoman_tasks.session import Session
from repoman_tasks.terminal.sync_output import OutputOptions, show_events, show_result


@task(
    pre=[reconcile, backup_share],
    positional=["name"],
    help={
        "name": "Name of a project (default: all that have a backup).",
        "dry_run": "List what would change, and write nothing.",
        "no_delete": "Keep files in the mirror that the repo no longer has.",
        "force": "Make the mirror as empty as the repo, even if that lost most of its files; asks.",
        "full": "Compare the mirrors of unchanged repos, too.",
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
    screen, in_json = session.screen, json or json_lines
    bars = screen.live and not (in_json or itemize or dry_run)
    # --dry prints the argv of each rsync instead of running it
    output = OutputOptions(json, json_lines, bars, quiet=json or session.dry)
    options = SyncOptions(
        delete=not no_delete,
        dry_run=dry_run,
        force=force,
        wait=wait,
        full=full,
        itemize=(itemize or dry_run) and not in_json,
        progress=output.progress,
    )
    if force and name is None and session.prompter.possible:
        raise UsageError("--force needs the name of a project", "`repoman sync NAME --force`")
    sync_plan = plan_sync(session.of(reconcile).registry, name, jobs, options)
    try:
        context = _sync_context(session, sync_plan)
    except RepomanError as error:
        record_unusable(session.store, sync_plan, error, session.now(), dry=session.dry)
        raise
    if force and not (dry_run or session.dry):
        confirm_force(session, context, sync_plan)
    with show_events(screen, output, sync_plan, session.now) as emit:
        outcomes = mirror_estate(context, sync_plan, session.store, emit)
    code = sync_exit_code(sync_plan, outcomes)
    show_result(screen, output, outcomes, options, int(code), session.now)
    return code


def _sync_context(session: Session, sync_plan: SyncPlan) -> SyncContext:
    """Return what each sync needs. Raise TargetUnusable if the share is not usable."""
    facts, share = session.of(reconcile), require_share(session)
    registry, state = facts.registry, session.store.mirrors
    roots = share.submit_roots([project.repo for project in sync_plan.projects])
    token, mirrors = share.submit_token(), state.submit_load()
    return SyncContext(
        host=session.host,
        share=share,
        roots=roots.result(),
        registry=registry,
        local_repos=facts.local_repos,
        options=sync_plan.options,
        emit=lambda _: None,
        now=session.now,
        lock_path=session.store.lock_path,
        mirrors=mirrors.result().having(registry.counted),
        token=token.result(),
    )

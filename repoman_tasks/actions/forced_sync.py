"""Asks before `sync --force` deletes from a mirror what a repo has lost."""

from __future__ import annotations

from dataclasses import replace

from repoman_tasks.errors import Interrupted, RepomanError
from repoman_tasks.mirror.rsync_pass import SyncContext
from repoman_tasks.mirror.sync_run import mirror_estate
from repoman_tasks.planning.mirror.sync_plan import SyncPlan, total_counts
from repoman_tasks.planning.prompts import FORCE
from repoman_tasks.planning.text.wording import plural
from repoman_tasks.session import Session

__all__ = ["confirm_force"]


def confirm_force(session: Session, context: SyncContext, plan: SyncPlan) -> None:
    """Ask, with the number of entries that will be deleted; raise Interrupted if it is denied.

    Without a terminal, `--yes` is expected beside `--force`, and a project's name. For one more
    version, a warning is all that happens without them: jobs of the past have neither.
    """
    if not session.prompter.possible:
        missing = [] if plan.single else ["the name of a project"]
        missing += [] if session.prompter.yes else ["--yes"]
        if missing:
            needed = " and ".join(missing)
            session.screen.note(
                f"repoman: warning: in a script, the next version refuses --force without {needed}"
            )
        return
    if session.prompter.yes:
        return
    deleted = _count_deletions(session, context, plan)
    entries = plural(deleted, "entry", "entries")
    if deleted and not session.prompter.confirm(FORCE, entries, default=False):
        raise Interrupted(session.prompter.outcome)


def _count_deletions(session: Session, context: SyncContext, plan: SyncPlan) -> int:
    """Return how many entries a sync would delete; raise the error that a project's sync has."""
    options = replace(plan.options, dry_run=True, itemize=False, progress=False)
    dry_plan = replace(plan, options=options)
    with session.screen.progress("looking at what would be deleted …"):
        outcomes = mirror_estate(
            replace(context, options=options), dry_plan, session.store, lambda _: None
        )
    for outcome in outcomes:
        if not outcome.ok:
            error = RepomanError(f"{outcome.name}: {outcome.what}", outcome.cure)
            error.code = outcome.code
            raise error
    return total_counts(outcomes).deleted

"""`uninstall`: take away everything that repoman made on this host."""

from __future__ import annotations

from repoman_tasks.actions.apply import Plan, apply_plan
from repoman_tasks.actions.container_plans import step_runner
from repoman_tasks.actions.facts import stored_registry
from repoman_tasks.actions.held_locks import hold_lock
from repoman_tasks.actions.host_inventory import find_inventory, log_path
from repoman_tasks.cli.task import task
from repoman_tasks.planning.inventory import left_alone, uninstall_steps
from repoman_tasks.session import Session


@task(
    help={"dry_run": "Show what would be removed, and remove nothing."},
    examples={
        "repoman uninstall --dry-run": "Show everything that repoman made on this host",
        "repoman uninstall": "Remove it, after one question",
    },
    exit_codes={
        "4": "another command is working on a project",
        "130": "interrupted, or the prompt was answered with no",
    },
)
def uninstall(session: Session, dry_run: bool = False) -> None:
    """Remove everything that repoman made on this host, but no repo and no mirror.

    These are the containers with their volumes and images, the Incus project, its bridge, rules and
    storage pool, the nightly sync, the guard for git, completion, state, logins, locks, log and
    registry.
    If it is interrupted, run it again. The program itself is removed as it was installed.
    """
    facts = find_inventory(session)
    steps = uninstall_steps(facts)
    for sentence in left_alone(facts):
        session.screen.note(sentence)
    if not steps:
        if not (dry_run or session.dry):
            _remove_empty(session)
        session.screen.line("nothing is left")
        return
    plan = Plan(steps, runner=step_runner(session))
    done = apply_plan(
        session, plan, dry_run=dry_run, default=False, on_confirm=lambda: _lock(session)
    )
    if done:
        _remove_empty(session)
        session.screen.note("repos and mirrors stay where they are")


def _lock(session: Session) -> None:
    """Keep other commands from all projects until the end. Raise Busy if one is at work."""
    for project in session.of(stored_registry).projects:
        for name in (project.name, f"{project.name}.container"):
            busy = f"another command is working on {project.name}"
            hold_lock(session, session.store.lock_path(name), busy)


def _remove_empty(session: Session) -> None:
    """Remove the locks of this command, and the log and the registry's folder if they are empty."""
    if (log := log_path(session.host)) and session.host.read(["test", "-s", log]).code:
        session.host.change(["rm", "-f", "--", log])
    session.host.change(["rm", "-rf", "--", f"{session.store.folder}/locks"])
    session.host.change(["rmdir", "--", session.store.folder])

"""`git-guard`: judge the repos of containers before git reads them."""

from __future__ import annotations

from repoman_tasks.actions.apply import Plan, apply_plan
from repoman_tasks.actions.facts import reconcile, stored_registry
from repoman_tasks.actions.held_locks import LOCK_SECONDS, hold_lock
from repoman_tasks.cli.task import task
from repoman_tasks.errors import Busy
from repoman_tasks.planning.guard_files import (
    Guard,
    check_git_version,
    check_guard_action,
    install_guard,
    path_hint,
    remove_guard,
)
from repoman_tasks.planning.names import absolute
from repoman_tasks.registry.names_file import state_folder
from repoman_tasks.session import Session
from repoman_tasks.tools.git_guard_files import (
    find_first_git,
    git_version,
    guard_folders,
    submit_guard,
)


@task(
    pre=[reconcile],
    positional=["action"],
    greedy=True,
    help={
        "action": "What to do: install or remove (default: show what there is).",
        "dry_run": "Show what would change, and change nothing.",
    },
    examples={
        "repoman git-guard install": "Put the guard before git",
        "repoman git-guard": "Show whether it is in use, and what it guards",
        "repoman git-guard remove": "Remove it",
    },
    exit_codes={
        "4": "another command is changing the guard",
        "6": "another program is in its place",
        "130": "interrupted, or a prompt was answered with no",
    },
)
def git_guard(session: Session, action: str | None = None, dry_run: bool = False) -> None:
    """Have git judge the repos of containers before it reads them."""
    check_guard_action(action)
    guard = submit_guard(session.host).result()
    if action is None:
        _show(session, guard)
        return
    if action == "install":
        check_git_version(git_version(session.host))
    steps = install_guard(guard) if action == "install" else remove_guard(guard)
    if action == "install" and not dry_run and not session.dry:
        share = absolute(session.of(stored_registry).defaults.nfs_repos, session.host.home)
        guard_folders(session.host, [session.of(reconcile).local_repos, share])
    apply_plan(session, Plan(steps), dry_run=dry_run, on_confirm=lambda: _lock(session, guard))
    if action == "install" and not dry_run:
        _show_use(session, guard)


def _show(session: Session, guard: Guard) -> None:
    """Print where the guard is, whether it is used, and what it guards."""
    if guard.foreign:
        session.screen.line(f"{guard.path} is not repoman's")
    elif guard.content is None:
        session.screen.line("the guard is not installed")
        session.screen.note("Next: repoman git-guard install")
        return
    elif not guard.installed:
        session.screen.line("the guard is of another version of repoman")
        session.screen.note("Next: repoman git-guard install")
    for folder in guard.folders:
        session.screen.line(f"guarded: {folder}")
    _show_use(session, guard)


def _show_use(session: Session, guard: Guard) -> None:
    """Print whether the guard comes first on PATH, or how to make it so."""
    host = session.host
    if find_first_git(host) == guard.path:
        session.screen.line(f"in use: {guard.path}")
    else:
        session.screen.line(f"not in use here: {guard.path} is not the first git on PATH")
        session.screen.note(path_hint(guard.path, host.environ.get("SHELL", ""), host.home))


def _lock(session: Session, guard: Guard) -> None:
    """Hold the lock of the guard until the session ends.

    Raise Busy if another process holds it, or has changed the file meanwhile.
    """
    path, busy = f"{state_folder(session.host)}/guard/lock", "another command is changing the guard"
    hold_lock(session, path, busy, wait_seconds=LOCK_SECONDS)
    if submit_guard(session.host).result().content != guard.content:
        raise Busy("another process changed the guard meanwhile", "run the command again")

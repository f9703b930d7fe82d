"""`ssh-config`: let ssh, and what is built on it, reach containers by name."""

from __future__ import annotations

from repoman_tasks.actions.apply import Plan, apply_plan
from repoman_tasks.actions.facts import person
from repoman_tasks.actions.held_locks import LOCK_SECONDS, hold_lock
from repoman_tasks.cli.task import task
from repoman_tasks.errors import Busy, UsageError
from repoman_tasks.planning.ssh_files import (
    SshFiles,
    check_ssh_action,
    install_ssh_steps,
    parse_target,
    remove_ssh_steps,
)
from repoman_tasks.session import Session
from repoman_tasks.tools.ssh_access import submit_ssh_files


@task(
    positional=["action", "name"],
    greedy=True,
    help={
        "action": "What to do: install, remove or show (default: show).",
        "name": "Used by ssh itself.",
        "dry_run": "Show what would change, and change nothing.",
    },
    examples={
        "repoman ssh-config install": "Let `ssh isurus.repoman` enter the container of isurus",
        "repoman ssh-config": "Show the configuration, and whether ssh reads it",
        "repoman ssh-config remove": "Remove it",
    },
    exit_codes={
        "4": "another command is changing the configuration",
        "130": "interrupted, or a prompt was answered with no",
    },
)
def ssh_config(
    session: Session, action: str | None = None, name: str | None = None, dry_run: bool = False
) -> int:
    """Let ssh reach containers as NAME.repoman, for scp, rsync and editors.

    One line in ~/.ssh/config includes a file of repoman's; the container needs an sshd, which
    listens nowhere. A container on another host is NAME.HOST.repoman.
    """
    check_ssh_action(action or "show", name)
    if not session.host.keeps_caches:  # that of another host is for those who are there
        cure = "run it without --host: NAME.HOST.repoman is a container on another host"
        raise UsageError("ssh-config works on this host only", cure)
    if name is not None:
        from repoman_tasks.actions.ssh_connection import connect

        return connect(session, parse_target(name))
    files = submit_ssh_files(session.host, session.submit(person)).result()
    if action in (None, "show"):
        _show(session, files)
        return 0
    steps = install_ssh_steps(files) if action == "install" else remove_ssh_steps(files)
    apply_plan(session, Plan(steps), dry_run=dry_run, on_confirm=lambda: _lock(session, files))
    if action == "install" and not dry_run and not session.dry:
        session.screen.note("Next: ssh NAME.repoman, where the container has an sshd")
    return 0


def _show(session: Session, files: SshFiles) -> None:
    """Print the configuration, and what is missing of it."""
    if files.content is None:
        session.screen.line("ssh does not know the containers")
    else:
        session.screen.write(files.content.decode(errors="replace"))
    if not files.installed:
        session.screen.note("Next: repoman ssh-config install")
    else:
        session.screen.note(f"included by {files.user_config}")


def _lock(session: Session, files: SshFiles) -> None:
    """Hold the lock of the configuration until the session ends.

    Raise Busy if another process holds it, or has changed a file meanwhile.
    """
    path, busy = f"{files.folder}/lock", "another command is changing the configuration of ssh"
    hold_lock(session, path, busy, wait_seconds=LOCK_SECONDS)
    if submit_ssh_files(session.host, session.submit(person)).result() != files:
        raise Busy("another process changed a file of ssh meanwhile", "run the command again")

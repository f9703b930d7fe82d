"""`completion`: install or remove the completion scripts of a shell."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

from repoman_tasks.actions.apply import Plan, apply_plan
from repoman_tasks.actions.held_locks import LOCK_SECONDS, hold_lock
from repoman_tasks.cli.task import task
from repoman_tasks.completions import script
from repoman_tasks.errors import Busy, RepomanError
from repoman_tasks.hosts.base import Host
from repoman_tasks.planning.completion_files import (
    CompletionFile,
    check_action,
    choose_shell,
    completion_files,
    foreign_paths,
    install_steps,
    is_ours,
    removal_steps,
    usage_hint,
)
from repoman_tasks.session import Session
from repoman_tasks.wizards.project_choice import ask_completion


@task(
    wizard=ask_completion,
    positional=["action"],
    greedy=True,
    help={
        "action": "What to do: install or remove.",
        "shell": "Shell to complete in (default: your login shell).",
        "dry_run": "Show what would change, and change nothing.",
    },
    examples={
        "repoman completion install": "Install it for your login shell",
        "repoman completion install --shell fish": "Install it for another shell",
        "repoman completion remove": "Remove it",
    },
    exit_codes={
        "4": "another command is changing the completion",
        "130": "interrupted, or a prompt was answered with no",
    },
)
def completion(
    session: Session, action: str | None = None, shell: str = "", dry_run: bool = False
) -> None:
    """Install TAB completion for bash, zsh or fish, or remove it."""
    check_action(action)
    shell = choose_shell(shell, session.host.environ.get("SHELL", ""))
    files = _read_files(session.host, shell)
    for path in foreign_paths(files):
        session.screen.note(f"{path} is not repoman's")
    removes = action == "remove"
    plan = Plan(removal_steps(files) if removes else install_steps(files, script(shell).decode()))
    done = apply_plan(
        session,
        plan,
        dry_run=dry_run,
        default=removes or not foreign_paths(files[:1]),  # else ask before replacing it
        on_confirm=lambda: _lock_completion(session, shell, files),
    )
    if not removes and (done or not plan.steps):
        session.screen.note(f"installed: {files[0].path}")
        session.screen.note(usage_hint(shell, files[0].path))
        with suppress(RepomanError):
            session.store.load()  # refreshes the file of names that the scripts read


def _read_files(host: Host, shell: str) -> list[CompletionFile]:
    """Return the files of a shell's completion with their contents."""
    files = []
    for file in completion_files(shell, host.environ, host.home):
        content = host.read_file(file.path)
        files.append(replace(file, content=content, ours=content is not None and is_ours(content)))
    return files


def _lock_completion(session: Session, shell: str, files: list[CompletionFile]) -> None:
    """Hold the lock of the completion until the session ends.

    Raise Busy if another process holds it, or if the files are no longer like `files`.
    """
    path, busy = f"{session.store.path}.completion", "another command is changing the completion"
    hold_lock(session, path, busy, wait_seconds=LOCK_SECONDS)
    if _read_files(session.host, shell) != files:
        raise Busy("another process changed the completion meanwhile", "run the command again")

"""`completion`: install or remove TAB completion."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

from repoman_tasks.actions.apply import Plan, apply_plan
from repoman_tasks.cli.task import task
from repoman_tasks.completions import script
from repoman_tasks.errors import Busy, RepomanError
from repoman_tasks.hosts.base import Locked
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
    before = _look(session, shell)
    for path in foreign_paths(before):
        session.screen.note(f"{path} is not repoman's")
    removes = action == "remove"
    plan = Plan(removal_steps(before) if removes else install_steps(before, script(shell).decode()))
    done = apply_plan(
        session,
        plan,
        dry_run=dry_run,
        default=removes or not foreign_paths(before[:1]),  # replace it only with consent
        on_confirm=lambda: _alone(session, shell, before),
    )
    if not removes and (done or not plan.steps):
        session.screen.note(f"in place: {before[0].path}")
        session.screen.note(usage_hint(shell, before[0].path))
        with suppress(RepomanError):
            session.store.load()  # which refreshes the names to complete from


def _look(session: Session, shell: str) -> list[CompletionFile]:
    """Return the files of a shell's completion with their contents."""
    host = session.host
    found = []
    for file in completion_files(shell, host.environ, host.home):
        text = host.read_file(file.path)
        found.append(replace(file, content=text, ours=text is not None and is_ours(text)))
    return found


def _alone(session: Session, shell: str, before: list[CompletionFile]) -> None:
    """Hold the lock of these files until the session ends. Raise Busy if they changed meanwhile."""
    lock = session.host.lock(f"{session.store.path}.completion", wait_seconds=10)
    try:
        session.stack.enter_context(lock)
    except Locked as error:
        raise Busy(f"the completion is being changed, {error}", "let that finish") from None
    if _look(session, shell) != before:
        raise Busy("somebody changed the completion meanwhile", "run the command again")

"""`completion`: have the shell complete what `repoman` takes."""

from __future__ import annotations

from dataclasses import replace

from repoman_tasks.apply import Plan, carry_out
from repoman_tasks.cli.task import task
from repoman_tasks.completing import scripts
from repoman_tasks.completions.values import is_ours
from repoman_tasks.errors import Busy
from repoman_tasks.host import Locked
from repoman_tasks.planning.completion import (
    Place,
    check_action,
    foreign,
    next_words,
    places,
    put_steps,
    shell_meant,
    take_steps,
)
from repoman_tasks.session import Session


@task(
    positional=["action"],
    greedy=True,
    help={
        "action": "install, or remove.",
        "shell": "bash, zsh or fish; by default the one you use.",
        "dry_run": "Show what would change.",
    },
)
def completion(
    session: Session, action: str | None = None, shell: str = "", dry_run: bool = False
) -> None:
    """Put the completion of bash, zsh or fish where the shell looks; or take it away."""
    check_action(action)
    shell = shell_meant(shell, session.host.environ.get("SHELL", ""))
    before = _look(session, shell)
    if action == "remove":
        plan, others = Plan(take_steps(before)), foreign(before)
    else:
        plan = Plan(put_steps(before, scripts()[shell]))
        others = foreign(place for place in before if place.yields)
    for path in others:
        session.screen.note(f"{path} is not repoman's and stays as it is")
    # A file of somebody else is replaced only where a person says so.
    ordinary = action == "remove" or not foreign(before[:1])
    done = carry_out(
        session,
        plan,
        dry_run=dry_run,
        default=ordinary,
        agreed=lambda: _alone(session, shell, before),
    )
    if action == "install" and (done or not plan.steps):
        session.screen.note(next_words(shell, [place.path for place in before]))


def _look(session: Session, shell: str) -> list[Place]:
    """The places of a shell's completion, with what stands there."""
    host = session.host
    found = []
    for place in places(shell, host.environ, host.home):
        text = host.read_file(place.path)
        found.append(replace(place, found=text, ours=text is not None and is_ours(text)))
    return found


def _alone(session: Session, shell: str, before: list[Place]) -> None:
    """Hold the lock of these files until the session ends. `Busy` where somebody was faster."""
    lock = session.host.lock(f"{session.store.path}.completion", wait_seconds=10)
    try:
        session.stack.enter_context(lock)
    except Locked as error:
        raise Busy(f"the completion is being changed, {error}", "let that finish") from None
    if _look(session, shell) != before:
        raise Busy("somebody changed the completion meanwhile", "run the command again")

"""Steps are shown, asked about and done here, the same ones each time."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from repoman_tasks.actions.container_steps import StepRunner
from repoman_tasks.actions.repo_deletion import erase_repo
from repoman_tasks.errors import Failed, Interrupted, RepomanError
from repoman_tasks.hosts.signals import defer_signals
from repoman_tasks.model import Registry
from repoman_tasks.planning.log_events import loggable_step
from repoman_tasks.planning.names import absolute
from repoman_tasks.planning.prompts import GO_AHEAD
from repoman_tasks.planning.steps import (
    AdoptContainer,
    ArrangeUser,
    AsRoot,
    CallIncus,
    ChangeContainer,
    ChangeState,
    CloneRepo,
    CreateContainer,
    DeleteContainer,
    DeleteFile,
    DeleteRepo,
    MakeFolder,
    MakeRepo,
    MarkShare,
    RebuildContainer,
    Step,
    WriteFile,
    WriteRegistry,
)
from repoman_tasks.session import Session
from repoman_tasks.tools.share import Share

__all__ = ["Plan", "carry_out"]

Again = Callable[[Registry], object]
"""Plans again from the registry under its lock; raises where the steps are not right any more."""


def _nothing() -> None:
    pass


@dataclass(frozen=True)
class Plan:
    """Steps, and what doing them takes."""

    steps: Sequence[Step]
    share: Share | None = None
    runner: StepRunner | None = None
    still_right: Again | None = None
    after_repo: Callable[[], Sequence[Step]] | None = None
    """The steps that really follow one that makes a repo, which may ask for something."""
    afterwards: Callable[[], None] = _nothing
    """What to keep in mind once all is done."""


def carry_out(
    session: Session,
    plan: Plan,
    *,
    dry_run: bool = False,
    default: bool = True,
    confirmed: bool = False,
    agreed: Callable[[], None] | None = None,
) -> bool:
    """Show the steps; unless this is a dry run, ask and do them. False where nothing was done.

    `agreed` is called once a person has agreed, before the first step. Where a step fails or
    is interrupted, what the ones before it made is taken back.
    """
    if not plan.steps:
        session.screen.line("nothing to do")
        return False
    if dry_run or session.dry:
        for step in plan.steps:
            session.screen.line(f"would {step}")
        session.show_equivalent()
        return False
    if not confirmed:
        _ask(session, plan.steps, default)
    if agreed is not None:
        agreed()
    try:
        _do_all(session, plan)
    except BaseException:
        if plan.runner is not None and plan.runner.made_something:
            _take_back(session, plan.runner)
        raise
    session.prompter.outcome = "nothing more was changed"
    plan.afterwards()
    return True


def _do_all(session: Session, plan: Plan) -> None:
    todo, runner = deque(plan.steps), plan.runner
    while len(todo) > 1:
        step = todo.popleft()
        _do(session, step, plan)
        if isinstance(step, CloneRepo | MakeRepo) and plan.after_repo is not None:
            todo = deque(plan.after_repo())
    # The last step and the commit are one: a Ctrl-C comes before or after both.
    made = runner is not None and runner.made_something
    with defer_signals() if made else contextlib.nullcontext():
        _do(session, todo.popleft(), plan)
        if runner is not None:
            runner.commit()


def _take_back(session: Session, runner: StepRunner) -> None:
    session.screen.note("taking back what was made")
    with defer_signals():
        try:
            runner.undo()
        except RepomanError as problem:
            session.screen.note(f"not all of it could be taken back, {problem}")
            session.screen.note("`repoman status --repair` does the rest")


def _ask(session: Session, steps: Sequence[Step], default: bool) -> None:
    """Show a person the steps and ask; `Interrupted` by a no."""
    if session.prompter.possible:
        for step in steps:
            session.screen.note(f"  {step}")
        session.show_equivalent()
    if not session.prompter.confirm(GO_AHEAD, default=default):
        raise Interrupted(session.prompter.outcome)


def _do(session: Session, step: Step, plan: Plan) -> None:
    """Do one step and say so."""
    asks = isinstance(step, AsRoot | CloneRepo)  # and has the terminal for it
    with session.screen.progress("" if asks else str(step)):
        if not (_on_the_host(session, step, plan) or _on_containers(step, plan.runner)):
            raise AssertionError(f"nobody does {step}")
    session.host.observer.did(loggable_step(step))
    session.screen.line(f"done: {step}")


def _on_the_host(session: Session, step: Step, plan: Plan) -> bool:
    if isinstance(step, MakeFolder):
        path = absolute(step.path, session.host.home)
        result = session.host.change(["mkdir", "-p", "--", path])
        if result.code:
            raise Failed(f"{step.path} can't be made", result.complaint)
    elif isinstance(step, MarkShare):
        assert plan.share is not None
        plan.share.mark(step.estate, session.now())
    elif isinstance(step, WriteRegistry):
        _write_registry(session, step, plan.still_right)
    elif isinstance(step, AsRoot):
        argv = step.argv if session.host.uid == 0 else ("sudo", *step.argv)
        if session.host.hand_over(argv):
            raise Failed(f"`{' '.join(argv)}` failed", "run it yourself, then setup again")
    elif isinstance(step, DeleteRepo):
        assert plan.share is not None
        erase_repo(session.host, plan.share, step, session.store.load())
    else:
        return _on_files(session, step)
    return True


def _on_files(session: Session, step: Step) -> bool:
    if isinstance(step, WriteFile):
        session.host.write_file(step.path, step.text.encode())
    elif isinstance(step, DeleteFile):
        result = session.host.change(["rm", "--", step.path])
        if result.code:
            raise Failed(f"{step.path} can't be deleted", result.complaint)
    else:
        return False
    return True


def _write_registry(session: Session, step: WriteRegistry, still_right: Again | None) -> None:
    def under_lock(registry: Registry) -> Sequence[object]:
        if still_right is not None:
            still_right(registry)
        return step.edits

    session.store.update(under_lock)  # type: ignore[arg-type]


def _on_containers(step: Step, runner: StepRunner | None) -> bool:
    assert runner is not None
    if isinstance(step, CallIncus):
        runner.incus.change(step.method, step.path, step.body)
        return True
    does: dict[type, Callable[..., None]] = {
        AdoptContainer: runner.adopt,
        ArrangeUser: runner.arrange,
        ChangeContainer: runner.change,
        ChangeState: runner.set_state,
        CloneRepo: runner.clone,
        CreateContainer: runner.create,
        DeleteContainer: runner.delete,
        MakeRepo: runner.make_repo,
        RebuildContainer: runner.rebuild,
    }
    if type(step) not in does:
        return False
    does[type(step)](step)
    return True

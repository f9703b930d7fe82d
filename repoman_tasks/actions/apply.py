"""Shows a plan, asks for confirmation, runs its steps, and undoes them if one fails."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable, Sequence

from repoman_tasks.actions.container_steps import StepRunner
from repoman_tasks.actions.mirror_without_project import delete_mirror, restore_repo
from repoman_tasks.actions.renamed_folders import rename_folder, rename_mirror
from repoman_tasks.actions.renamed_state import rename_state
from repoman_tasks.actions.repo_deletion import erase_repo
from repoman_tasks.actions.snapshot_steps import run_on_snapshot
from repoman_tasks.actions.sync_facts import submit_hostname
from repoman_tasks.errors import Failed, Interrupted, RepomanError, quoted
from repoman_tasks.hosts.base import Host
from repoman_tasks.hosts.signals import defer_signals
from repoman_tasks.late_dataclass import dataclass
from repoman_tasks.mirror.generation import take_over
from repoman_tasks.model import Registry
from repoman_tasks.planning.log_events import loggable_step
from repoman_tasks.planning.names import absolute
from repoman_tasks.planning.prompts import GO_AHEAD
from repoman_tasks.planning.steps import (
    AdoptContainer,
    ArrangeUser,
    AsRoot,
    BuildImage,
    CallIncus,
    ChangeContainer,
    ChangeState,
    CloneRepo,
    CreateContainer,
    CreateVolume,
    DeleteContainer,
    DeleteFile,
    DeleteFolder,
    DeleteMirror,
    DeleteRepo,
    DeleteVolume,
    EmptyVolume,
    MakeFolder,
    MakeRepo,
    MarkShare,
    RebuildContainer,
    RenameFolder,
    RenameMirror,
    RenameState,
    RestoreRepo,
    RunProgram,
    Step,
    TakeOverShare,
    WriteFile,
    WriteRegistry,
)
from repoman_tasks.registry import Store
from repoman_tasks.session import Session
from repoman_tasks.terminal.screen import Screen
from repoman_tasks.tools.repo_copies import remove_tree
from repoman_tasks.tools.share import Share

__all__ = ["Plan", "apply_plan"]

Check = Callable[[Registry], object]
"""Called with the registry under its lock; raises if the plan no longer fits it."""


def _nothing() -> None:
    pass


@dataclass(frozen=True)
class Plan:
    """Steps, and what is needed to run them."""

    steps: Sequence[Step]
    share: Share | None = None
    runner: StepRunner | None = None
    check: Check | None = None
    replan: Callable[[], Sequence[Step]] | None = None
    """Returns the steps after the creation of a repo, whose .repoman.toml can be read only then."""
    on_success: Callable[[], None] = _nothing
    subject: str = ""
    """The project that it is about, if others have plans, too."""


def apply_plan(
    session: Session,
    plan: Plan,
    *,
    dry_run: bool = False,
    default: bool = True,
    confirmed: bool = False,
    on_confirm: Callable[[], None] | None = None,
) -> bool:
    """Show the steps, ask for confirmation and run them; return if they were run.

    A dry run only shows them. `default` is the default answer, and `confirmed` skips the question.
    `on_confirm` is called before the first step. If a step fails or is interrupted, what earlier
    steps created is removed.
    """
    if not plan.steps:
        session.screen.line(f"{plan.subject}: nothing to do" if plan.subject else "nothing to do")
        return False
    if dry_run or session.dry:
        for step in plan.steps:
            session.screen.line(f"would {step}")
        session.show_equivalent()
        return False
    if not confirmed:
        _confirm(session, plan.steps, default)
    if on_confirm is not None:
        on_confirm()
    try:
        _run_all(session, plan)
    except BaseException:
        if plan.runner is not None:
            _undo(session.screen, plan.runner)
        raise
    session.prompter.outcome = "nothing more was changed"
    plan.on_success()
    return True


def _run_all(session: Session, plan: Plan) -> None:
    steps, runner = deque(plan.steps), plan.runner
    while len(steps) > 1:
        step = steps.popleft()
        _run(session, step, plan)
        if isinstance(step, CloneRepo | MakeRepo | RestoreRepo) and plan.replan is not None:
            steps = deque(plan.replan())
    # A Ctrl-C must not separate the last step from the commit.
    atomic = runner is not None and runner.can_undo
    with defer_signals() if atomic else contextlib.nullcontext():
        _run(session, steps.popleft(), plan)
        if runner is not None:
            runner.commit()


def _undo(screen: Screen, runner: StepRunner) -> None:
    with defer_signals():
        if runner.can_undo:
            screen.note("removing what was created")
            try:
                runner.undo()
            except RepomanError as problem:
                screen.note(f"not everything could be removed, {problem}")
                screen.note("run `repoman status --repair` to remove the rest")
        try:
            for step in runner.take_back():
                screen.note(f"taken back: {step}")
        except RepomanError as problem:
            screen.note(f"not everything that was allowed could be taken back, {problem}")
            screen.note("run `repoman setup --repair` to take back the rest")


def _confirm(session: Session, steps: Sequence[Step], default: bool) -> None:
    """Show the steps and ask for confirmation; raise Interrupted if it is denied."""
    if session.prompter.possible:
        for step in steps:
            session.screen.note(f"  {step}")
        session.show_equivalent()
    if not session.prompter.confirm(GO_AHEAD, default=default):
        raise Interrupted(session.prompter.outcome)


def _run(session: Session, step: Step, plan: Plan) -> None:
    """Run one step, record it and print it; raise Interrupted if everything is to stop."""
    if session.host.stopping.is_set():
        raise Interrupted("interrupted")
    interactive = isinstance(step, AsRoot | CloneRepo)  # sudo and git may ask for a password
    with session.screen.progress("" if interactive else str(step)):
        if not (_run_on_host(session, step, plan) or _run_on_container(step, plan.runner)):
            raise AssertionError(f"no code runs {step}")
    session.host.observer.did(loggable_step(step))
    session.screen.line(f"done: {step}")


def _run_on_host(session: Session, step: Step, plan: Plan) -> bool:
    """Run a step on the host; return False if it is for a container."""
    if isinstance(step, MakeFolder):
        path = absolute(step.path, session.host.home)
        mode = ["-m", "700"] if step.private else []
        result = session.host.change(["mkdir", "-p", *mode, "--", path])
        if result.code:
            raise Failed(f"{step.path} can't be created", result.complaint)
    elif isinstance(step, WriteRegistry):
        _write_registry(session.store, step, plan.check)
    elif isinstance(step, RenameState):
        rename_state(session, step)
    elif isinstance(step, AsRoot):
        argv = step.argv if session.host.uid == 0 else ("sudo", *step.argv)
        if session.host.hand_over(argv):
            command = quoted("repoman", session.prompter.command)
            cure = f"run the command of `{command} --dry-run` yourself, then `{command}`"
            raise Failed(f"a command as root failed, {step.why}", cure)
    else:
        return (
            _run_on_share(session, step, plan.share)
            or _run_on_files(session.host, step)
            or run_on_snapshot(session, step)
        )
    return True


def _run_on_share(session: Session, step: Step, share: Share | None) -> bool:
    if isinstance(step, MarkShare):
        assert share is not None
        share.mark(step.estate, session.now())
    elif isinstance(step, TakeOverShare):
        assert share is not None
        hostname = submit_hostname(session.host).result()
        take_over(session.store.mirrors, share, hostname, session.now())
    elif isinstance(step, DeleteRepo):
        assert share is not None
        erase_repo(session.host, share, step, session.store.load())
    elif isinstance(step, DeleteMirror):
        assert share is not None
        delete_mirror(session, share, step)
    elif isinstance(step, RenameMirror):
        assert share is not None
        rename_mirror(session.host, share, step)
    elif isinstance(step, RestoreRepo):
        assert share is not None
        restore_repo(session, share, step)
    else:
        return False
    return True


def _run_on_files(host: Host, step: Step) -> bool:
    if isinstance(step, WriteFile):
        host.write_file(step.path, step.text.encode(errors="surrogateescape"))
        if step.executable and (result := host.change(["chmod", "755", "--", step.path])).code:
            raise Failed(f"{step.path} can't be made executable", result.complaint)
    elif isinstance(step, DeleteFile | DeleteFolder):
        _delete(host, step)
    elif isinstance(step, RenameFolder):
        rename_folder(host, step)
    elif isinstance(step, RunProgram):
        result = host.change(step.argv, stdin=step.stdin.encode())
        if result.code:
            raise Failed(f"{quoted(*step.argv)} failed", result.complaint)
    else:
        return False
    return True


def _delete(host: Host, step: DeleteFile | DeleteFolder) -> None:
    if isinstance(step, DeleteFolder):
        result = remove_tree(host, step.path, first=step.first)
    else:
        result = host.change(["rm", "--", step.path])
    if result.code:
        raise Failed(f"{step.path} can't be deleted", result.complaint)


def _write_registry(store: Store, step: WriteRegistry, check: Check | None) -> None:
    def edits(registry: Registry) -> Sequence[object]:
        if check is not None:
            check(registry)
        return step.edits

    store.update(edits)  # type: ignore[arg-type]


def _run_on_container(step: Step, runner: StepRunner | None) -> bool:
    assert runner is not None
    methods: dict[type, Callable[..., None]] = {
        AdoptContainer: runner.adopt,
        ArrangeUser: runner.set_up_user,
        BuildImage: runner.build,
        CallIncus: runner.call_incus,
        ChangeContainer: runner.change,
        ChangeState: runner.set_state,
        CloneRepo: runner.clone,
        CreateContainer: runner.create,
        CreateVolume: runner.create_volume,
        DeleteContainer: runner.delete,
        DeleteVolume: runner.delete_volume,
        EmptyVolume: runner.empty_volume,
        MakeRepo: runner.make_repo,
        RebuildContainer: runner.rebuild,
    }
    if type(step) not in methods:
        return False
    methods[type(step)](step)
    return True

"""`undo`: take a project back to a snapshot."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from repoman_tasks.actions.apply import Plan, apply_plan
from repoman_tasks.actions.container_plans import step_runner
from repoman_tasks.actions.facts import containers, copies, reconcile
from repoman_tasks.actions.listed_changes import list_changes
from repoman_tasks.actions.project_container import lock_container, repo_path
from repoman_tasks.actions.repo_undo import preview_repo
from repoman_tasks.actions.restore_checks import lock_restore
from repoman_tasks.actions.snapshot_plans import allow_snapshots, snapshot_facts
from repoman_tasks.cli.task import task
from repoman_tasks.errors import Failed, Refused, UsageError
from repoman_tasks.model import Project
from repoman_tasks.planning.current_project import named_or_current
from repoman_tasks.planning.findings import unfinished_rename
from repoman_tasks.planning.local_snapshots import SnapshotFacts, time_of
from repoman_tasks.planning.steps import ReturnRepo, Step
from repoman_tasks.planning.text.wording import format_age, plural
from repoman_tasks.planning.undo_steps import forget_steps, undo_steps, undo_target
from repoman_tasks.session import Session
from repoman_tasks.tools.repo_copies import left_out_rules
from repoman_tasks.wizards.project_choice import ask_any_project


@task(
    wizard=ask_any_project,
    pre=[reconcile, containers, copies],
    positional=["name"],
    help={
        "name": "Name of the project (default: the one whose repo you are in).",
        "container": "Take back its container (default: all that the snapshot has).",
        "volume": "Take back its volume.",
        "repo": "Take back its repo.",
        "at": "The snapshot to go back to (default: the newest).",
        "forget": "Delete what earlier undos replaced.",
        "dry_run": "Show what would be lost, and change nothing.",
    },
    examples={
        "repoman undo isurus --dry-run": "Show what differs from the newest snapshot",
        "repoman undo isurus": "Go back to it",
        "repoman undo isurus --container": "Take back the container alone",
        "repoman undo isurus --forget": "Delete what was replaced",
    },
    exit_codes={
        "4": "another command is working on the project, or not all of its repo came back",
        "6": "refused, because something could be lost",
        "130": "interrupted; the same command completes it",
    },
)
def undo(
    session: Session,
    name: str | None = None,
    *,
    container: bool = False,
    volume: bool = False,
    repo: bool = False,
    at: str = "",
    forget: bool = False,
    dry_run: bool = False,
) -> None:
    """Take the container, the volume and the repo of a project back to a snapshot, or some of them.

    What it replaces is kept until `undo --forget`. A container that runs is stopped and started
    again.
    """
    chosen = {"container": container, "volume": volume, "repo": repo}
    parts = [part for part, is_chosen in chosen.items() if is_chosen]
    if forget and (parts or at):
        raise UsageError("--forget can't be combined with other options", "leave them out")
    facts = session.of(reconcile)
    project, _ = named_or_current(
        facts.registry, facts.local_repos, name, session.host.folder, "undo"
    )
    if project.renaming:
        raise Failed(*unfinished_rename(project))
    found = snapshot_facts(session, project)
    steps = forget_steps(found) if forget else _steps(session, project, found, at, parts)
    apply_plan(
        session,
        Plan(steps, runner=step_runner(session)),
        dry_run=dry_run,
        default=False,
        on_confirm=partial(_lock, session, project.name, steps),
    )


def _lock(session: Session, name: str, steps: Sequence[Step]) -> None:
    """Hold the lock of the container until the session ends.

    Raise Busy if another process holds it, or if a sync or restore keeps the repo from going back:
    better now than once the container is stopped.
    """
    lock_container(session, name)
    if any(isinstance(step, ReturnRepo) for step in steps):
        with lock_restore(session, name):
            pass


def _steps(
    session: Session, project: Project, found: SnapshotFacts, at: str, parts: list[str]
) -> list[Step]:
    """Print what would change in the repo, and return the steps."""
    facts = session.of(reconcile)
    target = undo_target(found, at, parts, session.now())
    path, problem = repo_path(facts, project), facts.repos[project.name].problem
    if "repo" in target.parts and problem not in ("", "missing"):
        raise Refused(f"{path} {problem}", "bring it back first")
    steps = undo_steps(found, target, path)
    age = format_age(time_of(target.snapshot.id), session.now())
    session.screen.line(f"the snapshot {target.snapshot.id} was taken {age}")
    for step in steps:
        if isinstance(step, ReturnRepo):
            items, counts = preview_repo(session, step)
            list_changes(session, items, counts)
            session.screen.line(f"{plural(counts.entries, 'change')} in {path}")
            _, closed = left_out_rules(session.host, step.source)
            if closed:
                session.screen.note(f"{plural(closed, 'path')} that could not be read stay as now")
            if not counts.entries and target.parts == ("repo",) and not target.begun:
                return []
    return [*allow_snapshots(session, found), *steps]

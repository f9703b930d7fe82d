"""`snapshot`: take a snapshot of a project, list those that there are, and remove some."""

from __future__ import annotations

from functools import partial

from repoman_tasks.actions.apply import Plan, apply_plan
from repoman_tasks.actions.container_plans import step_runner
from repoman_tasks.actions.facts import containers, copies, reconcile
from repoman_tasks.actions.project_container import lock_container
from repoman_tasks.actions.snapshot_plans import snapshot_facts, take_snapshot
from repoman_tasks.cli.task import task
from repoman_tasks.errors import Failed, UsageError
from repoman_tasks.model import Project
from repoman_tasks.planning.current_project import named_or_current
from repoman_tasks.planning.findings import unfinished_rename
from repoman_tasks.planning.local_snapshots import (
    LocalSnapshot,
    check_removable,
    removal_steps,
    time_of,
)
from repoman_tasks.planning.text.layout import Cell, Column
from repoman_tasks.planning.text.wording import format_age, format_size
from repoman_tasks.session import Session
from repoman_tasks.wizards.project_choice import ask_any_project

_ACTIONS = ("list", "remove")
"""No project can be called so."""


@task(
    wizard=ask_any_project,
    pre=[reconcile, containers, copies],
    positional=["name"],
    greedy=True,
    help={
        "name": "Name of the project (default: the one whose repo you are in). `list` before it "
        "lists its snapshots, or those of all projects; `remove` before it removes those that are "
        "named after it.",
        "dry_run": "Show what would change, and change nothing.",
        "json": "Print JSON, with list.",
    },
    examples={
        "repoman snapshot isurus": "Take a snapshot of its container, volume and repo",
        "repoman snapshot list": "List the snapshots of all projects",
        "repoman snapshot remove isurus 20261128T013000Z": "Remove one",
    },
    exit_codes={
        "4": "another command is working on the project",
        "6": "refused: nothing of the project can be in a snapshot",
        "130": "interrupted, or a prompt was answered with no",
    },
)
def snapshot(
    session: Session, name: list[str], *, dry_run: bool = False, json: bool = False
) -> None:
    """Take a snapshot of a project: its container, its volume and a copy of its repo.

    `undo` goes back to it. The container stands still meanwhile. Parts that would take much space
    are left out, and told. Of a project, the ten newest are kept, for 30 days; those that `agent`
    takes before its sessions are counted apart.
    """
    action = name[0] if name and name[0] in _ACTIONS else ""
    words = name[1:] if action else name
    if json and action != "list":
        raise UsageError("--json needs list", "run `repoman snapshot list --json`")
    if action == "list":
        _list(session, words, json=json)
        return
    project = _project(session, words[0] if words else None)
    if action == "remove":
        _remove(session, project, words[1:], dry_run=dry_run)
    elif len(words) > 1:
        raise UsageError("snapshot takes one name", "run it once for each project")
    else:
        take_snapshot(session, project, dry_run=dry_run)


def _project(session: Session, name: str | None) -> Project:
    """Return the project called `name`, or that of the current folder."""
    facts, folder = session.of(reconcile), session.host.folder
    project, _ = named_or_current(facts.registry, facts.local_repos, name, folder, "snapshot")
    if project.renaming:
        raise Failed(*unfinished_rename(project))
    return project


def _remove(session: Session, project: Project, ids: list[str], *, dry_run: bool) -> None:
    if not ids:
        raise UsageError("remove needs a snapshot", "name those of `repoman snapshot list`")
    facts = snapshot_facts(session, project)
    check_removable(facts, ids)
    steps = removal_steps(facts, list(dict.fromkeys(ids)))
    lock = partial(lock_container, session, project.name)
    plan = Plan(steps, runner=step_runner(session))
    apply_plan(session, plan, dry_run=dry_run, default=False, on_confirm=lock)


# --- list -----------------------------------------------------------------------------------

_COLUMNS = (
    Column("NAME"),
    Column("SNAPSHOT"),
    Column("TAKEN"),
    Column("PARTS"),
    Column("SIZE OF REPO", drop_order=1),
)


def _list(session: Session, names: list[str], *, json: bool) -> None:
    """Print the snapshots of the projects called `names`, or of all, and what undo replaced."""
    projects = [_project(session, name) for name in names]
    projects = projects or list(session.of(reconcile).registry.projects)
    found = [(one.name, snapshot_facts(session, one).snapshots) for one in projects]
    rows = [(name, one) for name, snapshots in found for one in snapshots]
    screen, now = session.screen, session.now()
    if json:
        screen.json({"schema": 1, "snapshots": [_as_json(name, one) for name, one in rows]})
    elif rows:
        screen.table(_COLUMNS, [_cells(name, one, now) for name, one in rows])
    else:
        screen.note("No snapshots yet: `repoman snapshot NAME` takes one.")


def _cells(name: str, one: LocalSnapshot, now: str) -> tuple[Cell, ...]:
    parts = ", ".join(one.parts)
    return (
        Cell(name),
        Cell(one.id),
        Cell(format_age(time_of(one.id), now)),
        Cell(f"replaced by undo: {parts}" if one.kept else parts),
        Cell(format_size(one.copy.bytes) if one.copy else ""),
    )


def _as_json(name: str, one: LocalSnapshot) -> dict[str, object]:
    return {
        "project": name,
        "snapshot": one.id,
        "taken": time_of(one.id),
        "parts": list(one.parts),
        "replaced": one.kept,
        "automatic": one.automatic,
        "bytes": one.copy.bytes if one.copy else None,
    }

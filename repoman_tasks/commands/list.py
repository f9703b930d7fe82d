"""`list`: the projects at a glance."""

from __future__ import annotations

from dataclasses import dataclass

from repoman_tasks.checks import containers, reconcile
from repoman_tasks.cli.task import task
from repoman_tasks.model import Project, Registry
from repoman_tasks.planning.drift import Containers, drift, state, summary
from repoman_tasks.planning.health import RepoState
from repoman_tasks.planning.wording import age
from repoman_tasks.session import Session


@task(name="list", pre=[reconcile, containers], help={"json": "Print JSON."})
def list_(session: Session, json: bool = False) -> None:
    """Show the projects."""
    reality, found = session.of(reconcile), session.of(containers)
    screen, registry, now = session.screen, reality.registry, session.now()
    rows = [
        _Row(
            p,
            reality.repos[p.name],
            state(p, found),
            _notes(registry, p, reality.repos[p.name], found),
        )
        for p in registry.projects
    ]
    if json:
        screen.json({"schema": 1, "projects": [_as_json(row) for row in rows]})
        return
    if rows:
        columns = ("NAME", "STATE", "LAST SYNC", "REPO", "NOTES")
        screen.table(columns, [_cells(row, now) for row in rows])
    else:
        screen.note("No projects yet: `repoman new NAME --no-container` registers one.")
    if found.found or any(project.container for project in registry.projects):
        screen.note(f"containers: {summary(found)}")


@dataclass(frozen=True)
class _Row:
    project: Project
    repo: RepoState
    state: str
    notes: list[str]


def _notes(registry: Registry, project: Project, repo: RepoState, found: Containers) -> list[str]:
    notes = [f"repo {repo.problem}"] if repo.problem else []
    if not found.problem:  # the line below the table says it, once
        notes += [f.what for f in drift(registry, found, [project], orphans=False)]
    return notes


def _cells(row: _Row, now: str) -> tuple[str, ...]:
    project = row.project
    synced = age(project.last_sync, now) if project.backup else "no backup"
    return project.name, row.state, synced, row.repo.path, "; ".join(row.notes)


def _as_json(row: _Row) -> dict[str, object]:
    project = row.project
    return {
        "name": project.name,
        "state": row.state,
        "repo": row.repo.path,
        "image": project.image or None,
        "backup": project.backup,
        "container": project.container,
        "created": project.created or None,
        "last_sync": project.last_sync or None,
        "notes": row.notes,
    }

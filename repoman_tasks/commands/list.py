"""`list`: the projects at a glance."""

from __future__ import annotations

from dataclasses import dataclass

from repoman_tasks.checks import containers, incus, reconcile
from repoman_tasks.cli.task import task
from repoman_tasks.errors import Failed
from repoman_tasks.model import Project
from repoman_tasks.planning.declared import IMAGE
from repoman_tasks.planning.drift import Containers, drift, state, summary
from repoman_tasks.planning.health import Reality, RepoState
from repoman_tasks.planning.wording import age
from repoman_tasks.session import Session


@task(name="list", pre=[reconcile, containers], many_hosts=True, help={"json": "Print JSON."})
def list_(session: Session, json: bool = False) -> None:
    """Show the projects."""
    reality, found = session.of(reconcile), session.of(containers)
    screen, now = session.screen, session.now()
    addresses = _addresses(session, found)
    rows = [_row(reality, project, found, addresses) for project in reality.registry.projects]
    if json:
        screen.json({"schema": 1, "projects": [_as_json(row) for row in rows]})
        return
    if rows:
        screen.table(*_table(rows, now))
    else:
        screen.note("No projects yet: `repoman new NAME` makes one.")
    for finding in drift(reality, found, (), orphans=True):
        screen.note(f"{finding.subject}: {finding.what}: {finding.cure}")
    if found.found or any(project.container for project in reality.registry.projects):
        screen.note(f"containers: {summary(found)}")


@dataclass(frozen=True)
class _Row:
    project: Project
    repo: RepoState
    state: str
    ip: str
    image: str
    notes: list[str]


def _addresses(session: Session, found: Containers) -> dict[str, str]:
    """Addresses take a call of their own, one for all, and only where something runs."""
    if not any(container.running for container in found.found.values()):
        return {}
    try:
        return session.of(incus).addresses()
    except Failed:
        return {}


def _row(reality: Reality, project: Project, found: Containers, addresses: dict[str, str]) -> _Row:
    repo, name = reality.repos[project.name], project.name
    notes = [f"repo {repo.problem}"] if repo.problem else []
    if not found.problem:  # the line below the table says it, once
        notes += [f.what for f in drift(reality, found, [project], orphans=False)]
    container = found.found.get(name) if project.container else None
    made_from = container.config.get(IMAGE, "") if container else ""
    image = made_from or project.asked_image or project.image
    return _Row(project, repo, state(project, found), addresses.get(name, ""), image, notes)


_COLUMNS = ("NAME", "STATE", "IP", "LAST SYNC", "REPO", "IMAGE", "NOTES")
_ONLY_WHERE_FILLED = ("IP", "IMAGE")
"""They say nothing of an estate that has no containers, and a terminal is narrow."""


def _table(rows: list[_Row], now: str) -> tuple[list[str], list[list[str]]]:
    cells = [_cells(row, now) for row in rows]
    shown = [
        number
        for number, column in enumerate(_COLUMNS)
        if column not in _ONLY_WHERE_FILLED or any(line[number] for line in cells)
    ]
    return [_COLUMNS[n] for n in shown], [[line[n] for n in shown] for line in cells]


def _cells(row: _Row, now: str) -> tuple[str, ...]:
    project = row.project
    synced = age(project.last_sync, now) if project.backup else "no backup"
    notes = "; ".join(row.notes)
    return project.name, row.state, row.ip, synced, row.repo.path, row.image, notes


def _as_json(row: _Row) -> dict[str, object]:
    project = row.project
    return {
        "name": project.name,
        "state": row.state,
        "ip": row.ip or None,
        "repo": row.repo.path,
        "image": row.image or None,
        "backup": project.backup,
        "container": project.container,
        "created": project.created or None,
        "last_sync": project.last_sync or None,
        "notes": row.notes,
    }

"""`list`: the projects at a glance."""

from __future__ import annotations

from repoman_tasks.checks import reconcile
from repoman_tasks.cli.task import task
from repoman_tasks.model import Project
from repoman_tasks.planning.health import RepoState
from repoman_tasks.planning.wording import age
from repoman_tasks.session import Session


@task(name="list", pre=[reconcile], help={"json": "Print JSON."})
def list_(session: Session, json: bool = False) -> None:
    """Show the projects."""
    found = session.of(reconcile)
    screen, projects = session.screen, found.registry.projects
    if json:
        rows = [_as_json(p, found.repos[p.name], found.containers) for p in projects]
        screen.json({"schema": 1, "projects": rows})
    elif not projects:
        screen.note("No projects yet: `repoman new NAME --no-container` registers one.")
    else:
        now = session.now()
        screen.table(
            ("NAME", "STATE", "LAST SYNC", "REPO", "NOTES"),
            [_row(p, found.repos[p.name], found.containers, now) for p in projects],
        )
        screen.note(f"containers: {found.containers}")


def _state(project: Project, containers: str) -> str:
    return containers if project.container else "no container"


def _row(project: Project, repo: RepoState, containers: str, now: str) -> tuple[str, ...]:
    synced = age(project.last_sync, now) if project.backup else "no backup"
    return project.name, _state(project, containers), synced, repo.path, _note(repo)


def _note(repo: RepoState) -> str:
    return f"repo {repo.problem}" if repo.problem else ""


def _as_json(project: Project, repo: RepoState, containers: str) -> dict[str, object]:
    return {
        "name": project.name,
        "state": _state(project, containers),
        "repo": repo.path,
        "image": project.image or None,
        "backup": project.backup,
        "container": project.container,
        "created": project.created or None,
        "last_sync": project.last_sync or None,
        "notes": [_note(repo)] if repo.problem else [],
    }

"""Looking into the running containers: is the repo there, and the user? Nothing is written."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from repoman_tasks.errors import RepomanError
from repoman_tasks.model import Person, Project
from repoman_tasks.planning.container.drift import Containers
from repoman_tasks.planning.findings import Finding
from repoman_tasks.tools.guest import GuestHandle, check, foresee_checks
from repoman_tasks.tools.incus import Incus

__all__ = ["foresee_inside", "look_inside", "running"]

_AT_ONCE = 8


def running(containers: Containers, projects: Sequence[Project]) -> list[Project]:
    """Those of `projects` whose container runs."""
    found = containers.by_name
    return [p for p in projects if p.container and p.name in found and found[p.name].running]


def foresee_inside(
    incus: Incus, person: Person, local_repos: str, projects: Sequence[Project]
) -> None:
    """Say that the containers of `projects` will be looked into."""
    rooms = {f"{local_repos}/{p.repo}": GuestHandle(incus, p.name, person) for p in projects}
    foresee_checks(incus.host, rooms)


def look_inside(
    incus: Incus, person: Person, local_repos: str, projects: Sequence[Project]
) -> list[Finding]:
    """What is wrong inside the containers of `projects`, which run."""
    with ThreadPoolExecutor(_AT_ONCE) as threads:
        found = threads.map(partial(_look, incus, person, local_repos), projects)
        return [finding for finding in found if finding is not None]


def _look(incus: Incus, person: Person, local_repos: str, project: Project) -> Finding | None:
    name = project.name
    try:
        wrong = check(GuestHandle(incus, name, person), f"{local_repos}/{project.repo}")
    except RepomanError as problem:
        wrong = problem.what
    if not wrong:
        return None
    cure = f"`repoman update {name}`, or `repoman restart {name}`"
    return Finding(name, f"something is off inside its container: {wrong}", cure, kind="inside")

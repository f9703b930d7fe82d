"""Looking into the running containers: is the repo there, and the user? Nothing is written."""

from __future__ import annotations

from collections.abc import Sequence

from repoman_tasks.errors import RepomanError
from repoman_tasks.hosts.base import Future
from repoman_tasks.model import Person, Project
from repoman_tasks.planning.container.drift import Containers
from repoman_tasks.planning.findings import Finding
from repoman_tasks.tools.guest import GuestHandle, submit_check
from repoman_tasks.tools.incus import Incus

__all__ = ["running", "submit_inside"]

_AT_ONCE = 16
"""So many clients of Incus run at the same time, 30 MB each."""


def running(containers: Containers, projects: Sequence[Project]) -> list[Project]:
    """Those of `projects` whose container runs."""
    found = containers.by_name
    return [p for p in projects if p.container and p.name in found and found[p.name].running]


def submit_inside(
    incus: Incus, person: Person, local_repos: str, projects: Sequence[Project]
) -> Future[list[Finding]]:
    """Ask what is wrong inside the containers of `projects`, which run."""
    asked = [_submit(incus, person, local_repos, project) for project in projects[:_AT_ONCE]]
    rest = projects[_AT_ONCE:]

    def found() -> list[Finding]:
        first = [finding for one in asked if (finding := one.result()) is not None]
        return first + (submit_inside(incus, person, local_repos, rest).result() if rest else [])

    return Future(found)


def _submit(
    incus: Incus, person: Person, local_repos: str, project: Project
) -> Future[Finding | None]:
    name = project.name
    check = submit_check(GuestHandle(incus, name, person), f"{local_repos}/{project.repo}")

    def found() -> Finding | None:
        try:
            wrong = check.result()
        except RepomanError as problem:
            wrong = problem.what
        if not wrong:
            return None
        cure = f"`repoman update {name}`, or `repoman restart {name}`"
        return Finding(name, f"something is off inside its container: {wrong}", cure, kind="inside")

    return Future(found)

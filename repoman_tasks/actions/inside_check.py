"""Checks the repo and the user inside running containers; writes nothing."""

from __future__ import annotations

from collections.abc import Sequence

from repoman_tasks.errors import RepomanError, quoted
from repoman_tasks.hosts.base import Future
from repoman_tasks.model import Person, Project
from repoman_tasks.planning.container.drift import Containers
from repoman_tasks.planning.findings import Finding
from repoman_tasks.tools.guest import GuestHandle, submit_check
from repoman_tasks.tools.incus import Incus

__all__ = ["running_projects", "submit_inside"]

_PARALLEL = 16
"""Limit of Incus clients that run at the same time; each takes 30 MB."""


def running_projects(containers: Containers, projects: Sequence[Project]) -> list[Project]:
    """Return those of `projects` whose container is running."""
    found = containers.by_name
    return [p for p in projects if p.container and p.name in found and found[p.name].running]


def submit_inside(
    incus: Incus, person: Person, local_repos: str, projects: Sequence[Project]
) -> Future[list[Finding]]:
    """Ask for findings inside the running containers of `projects`."""
    checks = [_submit(incus, person, local_repos, project) for project in projects[:_PARALLEL]]
    rest = projects[_PARALLEL:]

    def collect() -> list[Finding]:
        first = [finding for check in checks if (finding := check.result()) is not None]
        return first + (submit_inside(incus, person, local_repos, rest).result() if rest else [])

    return Future(collect)


def _submit(
    incus: Incus, person: Person, local_repos: str, project: Project
) -> Future[Finding | None]:
    name = project.name
    check = submit_check(GuestHandle(incus, name, person), f"{local_repos}/{project.repo}")

    def wait() -> Finding | None:
        try:
            problem = check.result()
        except RepomanError as error:
            problem = error.what
        if not problem:
            return None
        cure = f"run `repoman update {quoted(name)}` or `repoman restart {quoted(name)}`"
        return Finding(name, f"problem inside its container: {problem}", cure, kind="inside")

    return Future(wait)

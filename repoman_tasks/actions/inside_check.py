"""Checks the repo and the user inside running containers; writes nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from repoman_tasks.errors import RepomanError, quoted
from repoman_tasks.hosts.base import Future
from repoman_tasks.model import Person, Project
from repoman_tasks.planning.container.drift import Containers
from repoman_tasks.planning.findings import Finding
from repoman_tasks.planning.trust.hazard_findings import lost_mounts_finding
from repoman_tasks.tools.guest import GuestHandle, Look, submit_check
from repoman_tasks.tools.incus import Incus

__all__ = ["running_projects", "submit_inside"]

_PARALLEL = 16
"""Limit of Incus clients that run at the same time; each takes 30 MB."""


def running_projects(containers: Containers, projects: Sequence[Project]) -> list[Project]:
    """Return those of `projects` whose container is running."""
    found = containers.by_name
    return [p for p in projects if p.container and p.name in found and found[p.name].running]


def submit_inside(
    incus: Incus, person: Person, local_repos: str, projects: Mapping[Project, Sequence[str]]
) -> Future[list[Finding]]:
    """Ask for findings inside the running containers of `projects`.

    Each project has the paths in its repo that its container has as read-only.
    """
    names = list(projects)
    checks = [
        _submit(incus, person, local_repos, project, projects[project])
        for project in names[:_PARALLEL]
    ]
    rest = {project: projects[project] for project in names[_PARALLEL:]}

    def collect() -> list[Finding]:
        first = [finding for check in checks for finding in check.result()]
        return first + (submit_inside(incus, person, local_repos, rest).result() if rest else [])

    return Future(collect)


def _submit(
    incus: Incus, person: Person, local_repos: str, project: Project, protected: Sequence[str]
) -> Future[list[Finding]]:
    name = project.name
    handle = GuestHandle(incus, name, person)
    check = submit_check(handle, f"{local_repos}/{project.repo}", protected)

    def wait() -> list[Finding]:
        try:
            look = check.result()
        except RepomanError as error:
            look = Look(error.what)
        if look.problem:
            command = "restart" if look.moved else "reset" if look.wrecked else "update"
            cure = f"run `repoman {command} {quoted(name)}`"
            cure += ", its repo and its volume stay" if look.wrecked else ""
            what = f"problem inside its container: {look.problem}"
            return [Finding(name, what, cure, kind="inside")]
        return [lost_mounts_finding(name, look.lost)] if look.lost else []

    return Future(wait)

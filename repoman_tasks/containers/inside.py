"""Looking into the running containers: is the repo there, and the user? Nothing is written."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from repoman_tasks.errors import RepomanError
from repoman_tasks.model import Person, Project
from repoman_tasks.planning.drift import Containers
from repoman_tasks.planning.health import Finding, Reality
from repoman_tasks.tools.guest import Room, check, inode_words
from repoman_tasks.tools.incus import Incus
from repoman_tasks.tools.person import find_person, person_words

__all__ = ["look_inside"]

_AT_ONCE = 8


def look_inside(
    incus: Incus,
    reality: Reality,
    containers: Containers,
    projects: Sequence[Project],
    known: set[str],
) -> list[Finding]:
    """What is wrong inside the running containers of `projects`, but those `known` to be off."""
    wanted = [
        project
        for project in projects
        if project.container
        and project.name not in known
        and project.name in containers.found
        and containers.found[project.name].running
    ]
    if not wanted:
        return []
    paths = [f"{reality.local_repos}/{project.repo}" for project in wanted]
    incus.host.foresee([*person_words(incus.host), *map(inode_words, paths)])
    person = find_person(incus.host)
    with ThreadPoolExecutor(_AT_ONCE) as threads:
        found = threads.map(partial(_look, incus, reality, person), wanted)
        return [finding for finding in found if finding is not None]


def _look(incus: Incus, reality: Reality, person: Person, project: Project) -> Finding | None:
    name = project.name
    path = f"{reality.local_repos}/{project.repo}"
    try:
        wrong = check(Room(incus, name, person), path)
    except RepomanError as problem:
        wrong = problem.what
    if not wrong:
        return None
    cure = f"`repoman update {name}`, or `repoman restart {name}`"
    return Finding(name, f"something is off inside its container: {wrong}", cure, kind="inside")

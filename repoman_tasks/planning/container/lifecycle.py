"""What `new`, `update`, `adopt` and the repairs of drift do to a project's container, as steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

from repoman_tasks.errors import UsageError
from repoman_tasks.model import Project
from repoman_tasks.planning.container.spec import (
    MAKING,
    Container,
    Difference,
    Spec,
    differences,
    keeping_protection,
    merged,
    protection_differs,
)
from repoman_tasks.planning.mirror.excludes import exclude_changes
from repoman_tasks.planning.names import overlapping
from repoman_tasks.planning.registry_edits import AddProject, SetKeys
from repoman_tasks.planning.steps import (
    AdoptContainer,
    ArrangeUser,
    ChangeContainer,
    ChangeState,
    CreateContainer,
    DeleteContainer,
    RebuildContainer,
    Step,
    WriteRegistry,
)

__all__ = [
    "adopt_steps",
    "check_free",
    "create_steps",
    "finish_steps",
    "forget_step",
    "recorded",
    "register_step",
    "update_steps",
]


# --- new --------------------------------------------------------------------------------


def check_free(name: str, containers: Mapping[str, Container]) -> list[Step]:
    """The step that makes way for a new container called `name`, where one was half made.

    `UsageError` where there is a whole one of that name.
    """
    found = containers.get(name)
    if found is None:
        return []
    if found.half_made:
        return [DeleteContainer(name, ", which was only half made")]
    raise UsageError(
        f"there is a container called {name} already, and no project",
        f"`repoman adopt {name}` takes it in, or choose another name",
    )


def create_steps(
    project: Project, spec: Spec, origin: Mapping[str, Any], path: str, user: str
) -> list[Step]:
    """The steps that make the container of `project` and have `user` in it."""
    return [
        CreateContainer(project.name, spec, origin),
        ArrangeUser(project.name, user, path),
    ]


def register_step(project: Project, path: str) -> Step:
    """The step that writes a new project into the registry; its repo is at `path`."""
    what = f"register {project.name} with the repo {path}"
    if project.backup and project.asked_exclude:
        what += f", whose mirror leaves out what it asks to: {', '.join(project.asked_exclude)}"
    return WriteRegistry(what, (AddProject(project),))


# --- update -----------------------------------------------------------------------------


def recorded(before: Project, after: Project) -> list[Step]:
    """The step that notes in the registry what changed of a project; none where nothing did."""
    changed = {
        key.name: None if getattr(after, key.name) == "" else getattr(after, key.name)
        for key in fields(Project)
        if getattr(before, key.name) != getattr(after, key.name)
    }
    if not changed:
        return []
    what = f"note in the registry what {after.name} is now: {', '.join(changed)}"
    left_out = exclude_changes(before, after)
    if left_out:
        what += f"; its repo leaves out of its mirror: {left_out}"
    return [WriteRegistry(what, (SetKeys(changed, project=after.name),))]


def update_steps(
    spec: Spec,
    container: Container,
    origin: Mapping[str, Any] | None,
    arranging: ArrangeUser,
    *,
    restart: bool,
    user_is_missing: bool,
) -> tuple[list[Step], list[Difference]]:
    """The steps that make `container` as wanted, and the differences that they leave.

    It is rebuilt where `origin`, the image's, is given, and restarted where `restart` is set.
    """
    found = differences(spec, container)
    rebuild = origin is not None and any(d.need == "rebuild" for d in found)
    restarts = any(d.need == "restart" for d in found) and container.running
    left = [d for d in found if d.need == "rebuild" and not rebuild]
    if restarts and not (restart or rebuild):
        left += [d for d in found if d.need == "restart"]
        spec = keeping_protection(spec, container)
    steps: list[Step] = []
    now = [d.what for d in differences(spec, container) if d.need != "rebuild"]
    if now:
        steps += changing(container, "; ".join(now), spec)
    stopped = any(isinstance(step, ChangeState) for step in steps)
    if rebuild:
        steps += [RebuildContainer(container.name, spec, origin or {}), arranging]
    elif restart and restarts:
        steps.append(ChangeState(container.name, "start" if stopped else "restart"))
    if user_is_missing and not rebuild:
        steps.append(arranging)
    return steps, left


def changing(container: Container, what: str, spec: Spec) -> list[Step]:
    """The steps that set what Incus knows of a container, stopped first where it has to be."""
    steps: list[Step] = [ChangeContainer(container.name, what, merged(spec, container))]
    if container.running and protection_differs(spec.devices, container):
        steps.insert(0, ChangeState(container.name, "stop"))
    return steps


# --- adopt and repair -------------------------------------------------------------------


def adopt_steps(
    project: Project,
    known: Project | None,
    others: Sequence[Project],
    spec: Spec,
    container: Container,
    arranging: ArrangeUser,
    from_project: str = "",
) -> list[Step]:
    """The steps that take `container` in as that of `project`, `known` to the registry or not.

    One that repoman made needs no user any more.
    """
    other = overlapping(project.repo, (p.repo for p in others if p.name != project.name))
    if other:
        raise UsageError(
            f"repo {project.repo!r} overlaps {other!r}, which is a project already",
            "name another one with --repo",
        )
    if known is None:
        registering: list[Step] = [register_step(project, arranging.path)]
    else:
        registering = recorded(known, replace(known, container=True))
    if from_project:
        steps: list[Step] = [AdoptContainer(container.name, from_project, spec), arranging]
        return steps + registering
    return [*_taking_in(spec, container, arranging), *registering]


def _taking_in(spec: Spec, container: Container, arranging: ArrangeUser) -> list[Step]:
    """The steps that make a container of the Incus project what is wanted, and whole."""
    steps: list[Step] = []
    found = differences(spec, container)
    if found or MAKING in container.config:
        what = "; ".join(d.what for d in found) or "it is whole"
        for step in changing(container, what, spec):
            if isinstance(step, ChangeContainer):
                config = {**step.changes["config"], **_image_of(spec)}
                step = replace(step, changes={**step.changes, "config": config})
            steps.append(step)
    if not container.project or container.half_made:
        steps.append(arranging)
    elif any(isinstance(step, ChangeState) for step in steps):
        steps.append(ChangeState(container.name, "start"))
    return steps


def _image_of(spec: Spec) -> dict[str, str]:
    return {key: value for key, value in spec.config.items() if key.startswith("user.repoman.")}


def finish_steps(spec: Spec, container: Container, arranging: ArrangeUser) -> list[Step]:
    """The steps that make a half-made container of a registered project whole."""
    steps: list[Step] = []
    if any(d.need != "rebuild" for d in differences(spec, container)):
        steps += changing(container, "what is declared", spec)
    return [*steps, arranging]


def forget_step(project: Project) -> Step:
    """The step that forgets a lost container: the project stays, and its backup goes on."""
    what = f"{project.name} has no container any more; it stays a project for its backup"
    return WriteRegistry(what, (SetKeys({"container": False}, project=project.name),))

"""Steps that create, update, adopt and repair a project's container. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

from repoman_tasks.errors import UsageError, quoted
from repoman_tasks.model import Project
from repoman_tasks.planning.container.spec import (
    MAKING_TAG,
    NEW,
    Container,
    Difference,
    Spec,
    differences,
    keep_until_restart,
    protection_differs,
    update_body,
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
    "create_steps",
    "delete_half_made_steps",
    "finish_steps",
    "forget_step",
    "record_steps",
    "register_step",
    "update_steps",
]


# --- new --------------------------------------------------------------------------------


def delete_half_made_steps(name: str, containers: Mapping[str, Container]) -> list[Step]:
    """Return the step that deletes a half-made container called `name`; none if there is none.

    Raise UsageError if there is a complete container of that name.
    """
    container = containers.get(name)
    if container is None:
        return []
    if container.half_made:
        return [DeleteContainer(name, ", which is half made")]
    raise UsageError(
        f"a container called {name} exists already, but no project",
        f"run `repoman adopt {quoted(name)}`, or choose another name",
    )


def create_steps(
    project: Project, spec: Spec, origin: Mapping[str, Any], path: str, user: str
) -> list[Step]:
    """Return the steps that create the container of `project` with `user` in it.

    `origin` is the image's source in Incus's API, `path` that of the repo.
    """
    return [
        CreateContainer(project.name, spec, origin),
        ArrangeUser(project.name, user, path),
    ]


def register_step(project: Project, path: str) -> Step:
    """Return the step that adds a project to the registry; its repo is at `path`."""
    what = f"register {project.name} with the repo {path}"
    if project.backup and project.requested_exclude:
        what += (
            f"; its .repoman.toml excludes from the mirror: {', '.join(project.requested_exclude)}"
        )
    return WriteRegistry(what, (AddProject(project),))


# --- update -----------------------------------------------------------------------------


def record_steps(before: Project, after: Project) -> list[Step]:
    """Return the step that writes changed keys of a project to the registry; none if equal."""
    changed = {
        key.name: None if getattr(after, key.name) == "" else getattr(after, key.name)
        for key in fields(Project)
        if getattr(before, key.name) != getattr(after, key.name)
    }
    if not changed:
        return []
    what = f"update {after.name} in the registry: {', '.join(changed)}"
    if patterns := exclude_changes(before, after):
        what += f"; its .repoman.toml excludes from the mirror: {patterns}"
    return [WriteRegistry(what, (SetKeys(changed, project=after.name),))]


def update_steps(
    spec: Spec,
    container: Container,
    origin: Mapping[str, Any] | None,
    user_step: ArrangeUser,
    *,
    restart: bool,
    user_is_missing: bool,
    older: bool = False,
) -> tuple[list[Step], list[Difference]]:
    """Return the steps that bring `container` to its spec, and the differences they leave.

    It is rebuilt only if the `origin` of the image is given, and restarted only with `restart`
    or a rebuild. It is of an `older` build if its image was built again since. It never moves to
    another Incus project: a move that is cut off could lose its volume.
    """
    all_differences = differences(spec, container)
    if older:
        all_differences.append(Difference(f"image: a newer build of {spec.image}", "rebuild"))
    rebuild = origin is not None and any(d.need == "rebuild" for d in all_differences)
    needs_restart = any(d.need == "restart" for d in all_differences) and container.running
    left = [d for d in all_differences if d.need == NEW or (d.need == "rebuild" and not rebuild)]
    if needs_restart and not (restart or rebuild):
        left += [d for d in all_differences if d.need == "restart"]
        spec = keep_until_restart(spec, container)
    steps: list[Step] = []
    changes = [d.what for d in differences(spec, container) if d.need not in ("rebuild", NEW)]
    if changes:
        steps += change_steps(container, "; ".join(changes), spec)
    stopped = any(isinstance(step, ChangeState) for step in steps)
    if rebuild:
        steps += [RebuildContainer(container.name, spec, origin or {}), user_step]
    elif restart and needs_restart:
        steps.append(ChangeState(container.name, "start" if stopped else "restart"))
    if user_is_missing and not rebuild:
        steps.append(user_step)
    return steps, left


def change_steps(container: Container, what: str, spec: Spec) -> list[Step]:
    """Return the steps that set a container's configuration, stopping it first if necessary."""
    steps: list[Step] = [ChangeContainer(container.name, what, update_body(spec, container))]
    if container.running and protection_differs(spec.devices, container):
        steps.insert(0, ChangeState(container.name, "stop"))
    return steps


# --- adopt and repair -------------------------------------------------------------------


def adopt_steps(
    project: Project,
    registered: Project | None,
    others: Sequence[Project],
    spec: Spec,
    container: Container,
    user_step: ArrangeUser,
    from_project: str = "",
) -> list[Step]:
    """Return the steps that make `container` the one of `project`.

    `registered` is the project in the registry, if it is there; `from_project` names the Incus
    project to copy the container from, if it is another one. Raise UsageError if the repo
    overlaps one of the `others`.
    """
    other = overlapping(project.repo, (p.repo for p in others if p.name != project.name))
    if other:
        raise UsageError(
            f"repo {project.repo!r} overlaps {other!r}, the repo of another project",
            "choose another one with --repo",
        )
    if registered is None:
        registry_steps: list[Step] = [register_step(project, user_step.path)]
    else:
        registry_steps = record_steps(registered, replace(registered, container=True))
    if from_project:
        steps: list[Step] = [AdoptContainer(container.name, from_project, spec), user_step]
        return steps + registry_steps
    return [*_adopt_in_place_steps(spec, container, user_step), *registry_steps]


def _adopt_in_place_steps(spec: Spec, container: Container, user_step: ArrangeUser) -> list[Step]:
    """Return the steps that bring a container of the Incus project to its spec."""
    steps: list[Step] = []
    differing = differences(spec, container)
    if differing or MAKING_TAG in container.config:
        what = "; ".join(d.what for d in differing) or "mark it as complete"
        for step in change_steps(container, what, spec):
            if isinstance(step, ChangeContainer):
                config = {**step.changes["config"], **_tags(spec)}
                step = replace(step, changes={**step.changes, "config": config})
            steps.append(step)
    # A container that repoman created and finished has its user already.
    if not container.project or container.half_made:
        steps.append(user_step)
    elif any(isinstance(step, ChangeState) for step in steps):
        steps.append(ChangeState(container.name, "start"))
    elif container.running and any(d.network for d in differing):
        steps.append(ChangeState(container.name, "restart"))
    return steps


def _tags(spec: Spec) -> dict[str, str]:
    return {key: value for key, value in spec.config.items() if key.startswith("user.repoman.")}


def finish_steps(spec: Spec, container: Container, user_step: ArrangeUser) -> list[Step]:
    """Return the steps that complete a half-made container of a registered project."""
    steps: list[Step] = []
    if any(d.need != "rebuild" for d in differences(spec, container)):
        steps += change_steps(container, "configure it as the registry says", spec)
    return [*steps, user_step]


def forget_step(project: Project) -> Step:
    """Return the step that forgets a missing container; the project keeps its backup."""
    what = f"register {project.name} without a container, for its backup only"
    return WriteRegistry(what, (SetKeys({"container": False}, project=project.name),))

"""Rename a project: what is where, and the steps that take the rest along. Pure.

The registry notes the new name before anything else is renamed. So what has the new name already
was renamed by a command that was interrupted, and the same command goes on from there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from repoman_tasks.errors import Refused, UsageError
from repoman_tasks.late_dataclass import dataclass
from repoman_tasks.model import Project, Registry
from repoman_tasks.planning.container.agents import VOLUME_PATH
from repoman_tasks.planning.container.homes import volume_path
from repoman_tasks.planning.container.spec import (
    PROJECT_TAG,
    REPO_TAG,
    VOLUME_DEVICE,
    Container,
)
from repoman_tasks.planning.findings import unfinished_rename
from repoman_tasks.planning.names import check_name, check_repo, inside, overlapping
from repoman_tasks.planning.registry_edits import SetKeys
from repoman_tasks.planning.steps import (
    CallIncus,
    ChangeContainer,
    ChangeState,
    RenameFolder,
    RenameMirror,
    RenameState,
    Step,
    WriteRegistry,
)

__all__ = ["Rename", "RenameFacts", "check_rename", "rename_steps", "rename_target"]


@dataclass(frozen=True)
class Rename:
    """A rename of a project, and of the folder of its repo if that changes."""

    old: str
    new: str
    old_repo: str
    new_repo: str
    begun: bool = False
    """True if the registry notes it already."""

    @property
    def moves(self) -> bool:
        """True if the folder of the repo is renamed, too."""
        return self.old_repo != self.new_repo


@dataclass(frozen=True)
class RenameFacts:
    """The parts of a project that exist under its old name, and those under the new one."""

    incus_project: str
    """That of the volume."""
    local_repos: str
    containers: Mapping[str, Container]
    volumes: Mapping[str, str]
    """Each with its pool."""
    folders: frozenset[str] = frozenset()
    """Those of the two repos that exist below local_repos."""
    mirrors: frozenset[str] = frozenset()
    """Those that exist on the share; none if the folder keeps its name."""


def rename_target(registry: Registry, project: Project, new: str, *, folder: bool) -> Rename:
    """Return the rename of `project` to `new`, with the folder of its repo if `folder` is set.

    Raise UsageError if the new name or folder is not possible.
    """
    old = project.name
    if project.renaming:
        if project.renaming != new:
            raise UsageError(*unfinished_rename(project))
        return Rename(old, new, project.repo, project.renaming_repo or project.repo, True)
    check_name(new)
    if registry.project(new):
        raise UsageError(f"a project called {new!r} exists already", "choose another name")
    parent = project.repo.rpartition("/")[0]
    repo = check_repo(f"{parent}/{new}" if parent else new) if folder else project.repo
    if repo != project.repo and (other := overlapping(repo, registry.repos)):
        raise UsageError(
            f"repo {repo!r} overlaps {other!r}, the repo of another project",
            "choose another name, or leave out --folder",
        )
    return Rename(old, new, project.repo, repo)


def check_rename(rename: Rename, facts: RenameFacts) -> None:
    """Raise Refused if something of the new name exists that was not renamed before."""
    existing = [
        ("container", rename.old in facts.containers, rename.new in facts.containers),
        ("volume", rename.old in facts.volumes, rename.new in facts.volumes),
    ]
    if rename.moves:
        existing += [
            (kind, rename.old_repo in paths, rename.new_repo in paths)
            for kind, paths in (("folder", facts.folders), ("mirror", facts.mirrors))
        ]
    for kind, old, new in existing:
        name = rename.new_repo if kind in ("folder", "mirror") else rename.new
        if new and (old or not rename.begun):
            raise Refused(f"a {kind} called {name} exists already", "choose another name")


def rename_steps(rename: Rename, project: Project, facts: RenameFacts) -> list[Step]:
    """Return the steps that are left of the rename of `project`."""
    steps: list[Step] = [] if rename.begun else [_note(rename)]
    container = facts.containers.get(rename.old)
    renamed = facts.containers.get(rename.new)
    running = any(one is not None and one.status != "stopped" for one in (container, renamed))
    if running:
        steps.append(ChangeState(rename.old if container else rename.new, "stop"))
    steps += _volume_steps(rename, facts, container)
    if rename.old_repo in facts.mirrors:
        steps.append(RenameMirror(rename.old_repo, rename.new_repo))
    if rename.moves and rename.old_repo in facts.folders:
        old, new = (f"{facts.local_repos}/{repo}" for repo in (rename.old_repo, rename.new_repo))
        steps.append(RenameFolder(old, new))
    if container is not None:
        # Incus changes a container that was just renamed only after half a minute.
        steps.append(_change_container(rename, facts, container))
        steps.append(ChangeState(rename.old, "rename", rename.new))
    steps.append(RenameState(rename.old, rename.new, rename.old_repo, rename.new_repo))
    steps.append(_register(rename, project))
    # A restart is the last: a container that does not start is renamed all the same.
    return [*steps, ChangeState(rename.new, "start")] if running else steps


def _volume_steps(rename: Rename, facts: RenameFacts, container: Container | None) -> list[Step]:
    """Return the steps that rename the volume, which is detached for that."""
    pool = facts.volumes.get(rename.old)
    if not pool:
        return []
    path = volume_path(facts.incus_project, pool, rename.old)
    what = f"rename the volume {rename.old} to {rename.new}"
    step = CallIncus(what, "POST", path, {"name": rename.new})
    attached = container is not None and VOLUME_DEVICE in container.devices
    return [_detach(container), step] if container and attached else [step]


def _note(rename: Rename) -> Step:
    values = {"renaming": rename.new}
    if rename.moves:
        values["renaming_repo"] = rename.new_repo
    what = f"note in the registry that {rename.old} becomes {rename.new}"
    return WriteRegistry(what, (SetKeys(values, project=rename.old),))


def _register(rename: Rename, project: Project) -> Step:
    values: dict[str, Any] = {
        "name": rename.new,
        "repo": rename.new_repo,
        "renaming": None,
        "renaming_repo": None,
    }
    if rename.moves and project.mirror:
        values["mirror"] = rename.new_repo
    what = f"rename {rename.old} to {rename.new} in the registry"
    return WriteRegistry(what, (SetKeys(values, project=rename.old),))


def _detach(container: Container) -> Step:
    """Return the step that takes the volume from the container."""
    others = {n: dict(d) for n, d in container.devices.items() if n != VOLUME_DEVICE}
    changes = {
        "config": dict(container.config),
        "devices": others,
        "profiles": list(container.profiles),
    }
    return ChangeContainer(container.name, "detach its volume", changes)


def _change_container(rename: Rename, facts: RenameFacts, container: Container) -> Step:
    """Return the step that changes what in the container's configuration names the project."""
    old, new = (f"{facts.local_repos}/{repo}" for repo in (rename.old_repo, rename.new_repo))
    config = {**container.config, PROJECT_TAG: rename.new, REPO_TAG: rename.new_repo}
    devices = {name: _renamed(device, old, new) for name, device in container.devices.items()}
    if pool := facts.volumes.get(rename.old) or facts.volumes.get(rename.new):
        volume = {"type": "disk", "pool": pool, "source": rename.new, "path": VOLUME_PATH}
        devices[VOLUME_DEVICE] = volume
    changes = {"config": config, "devices": devices, "profiles": list(container.profiles)}
    what = "its name, volume and repo" if rename.moves else "its name and volume"
    return ChangeContainer(rename.old, what, changes)


def _renamed(device: Mapping[str, str], old: str, new: str) -> dict[str, str]:
    """Return the device with paths in the repo `old` changed to `new`."""
    return {
        key: new + value[len(old) :] if key in ("source", "path") and inside(value, old) else value
        for key, value in device.items()
    }

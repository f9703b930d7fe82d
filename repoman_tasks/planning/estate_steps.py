"""What `setup`, `new` and `remove` will change in the estate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from repoman_tasks.errors import Refused, UsageError
from repoman_tasks.model import SCHEMA, Project, Registry
from repoman_tasks.planning.mirror.share_check import Probe
from repoman_tasks.planning.names import check_name, overlapping, relative_repo
from repoman_tasks.planning.registry_edits import DropProject, Edit, SetKeys
from repoman_tasks.planning.steps import (
    DeleteContainer,
    DeleteRepo,
    MakeFolder,
    MarkShare,
    Step,
    WriteRegistry,
)

__all__ = ["SetupOptions", "estate_of", "new_project", "remove_steps", "setup_steps"]


_OF_THE_MIRROR = ("last_sync", "last_files", "last_loose", "last_packs", "last_tree", "mirror")
"""Keys of a project that say something about its mirror on the share."""


@dataclass(frozen=True)
class SetupOptions:
    """What a person asked `setup` for, paths absolute; an empty one was not given."""

    local_repos: str = ""
    nfs_repos: str = ""
    new_share: bool = False
    adopt_share: bool = False
    chosen: Mapping[str, str] = field(default_factory=dict)
    """Further keys of [defaults] that the registry is to have."""


def setup_steps(
    registry: Registry,
    exists: bool,
    options: SetupOptions,
    local_exists: bool,
    probe: Probe,
    fresh_id: str,
) -> list[Step]:
    """The steps from `registry` (a file where `exists`) to what is wished; none where all is so."""
    local_repos = options.local_repos or registry.defaults.local_repos
    steps: list[Step] = [] if local_exists else [MakeFolder(local_repos)]
    estate = estate_of(registry.estate.id, options, probe, fresh_id)
    values = _changed_paths(registry, options)
    edits: list[Edit] = []
    if values:
        edits.append(SetKeys(values))
    if estate != registry.estate.id or registry.estate.schema != SCHEMA:
        edits.append(SetKeys({"schema": SCHEMA, "id": estate}, "estate"))
    if probe.marker is None or probe.marker.estate != estate:
        # The marker first: a registry that names an estate no share carries would need --new-share.
        steps.append(MarkShare(probe.path, estate))
    if probe.marker is None or probe.marker.estate != registry.estate.id:
        # What was noted about mirrors is about those on another share.
        known = [p for p in registry.projects if p.mirror or p.last_sync]
        edits += [SetKeys(dict.fromkeys(_OF_THE_MIRROR), project=p.name) for p in known]
    if edits:
        verb = "change" if exists else "write"
        what = ", ".join(f"{key} = {value}" for key, value in values.items())
        steps.append(
            WriteRegistry(f"{verb} the registry" + (f": {what}" if what else ""), tuple(edits))
        )
    return steps


def _changed_paths(registry: Registry, options: SetupOptions) -> dict[str, str]:
    """Paths that the registry has to name: new ones, and those it took from elsewhere so far."""
    values = {}
    for key, given in (("local_repos", options.local_repos), ("nfs_repos", options.nfs_repos)):
        current = getattr(registry.defaults, key)
        if (given and given != current) or registry.origins.get(key) != "registry":
            values[key] = given or current
    named = {k for k, origin in registry.origins.items() if origin == "registry"}
    current = vars(registry.defaults)
    chosen = {k: v for k, v in options.chosen.items() if k not in named or current[k] != v}
    return values | chosen


def estate_of(own: str, options: SetupOptions, probe: Probe, fresh_id: str) -> str:
    """The id that registry and share will both carry; `Refused` where that can't be."""
    on_share = probe.marker.estate if probe.marker else None
    if own and on_share == own:
        return own
    if on_share is not None and options.adopt_share and not own:
        if not on_share:
            raise Refused(
                f"the marker on {probe.path} can't be read", "look at it; --new-share replaces it"
            )
        return on_share
    if options.new_share:
        return own or fresh_id
    if on_share is not None:
        if own:
            cure = "mount the right share, or `repoman setup --new-share` to take this one over"
        else:
            cure = (
                "if its registry was lost, `repoman setup --adopt-share`; else another --nfs-repos"
            )
        raise Refused(f"{probe.path} is the share of estate {on_share or 'unknown'} already", cure)
    if own:
        raise Refused(
            f"{probe.path} carries no marker, and this estate has marked a share before",
            "mount that share, or `repoman setup --new-share` to mark this one",
        )
    return fresh_id


def new_project(
    registry: Registry, name: str, repo: str, local_repos: str, home: str, now: str
) -> Project:
    """The project that `new` is to register. `UsageError` where it can't be."""
    check_name(name)
    if registry.project(name):
        raise UsageError(f"a project called {name!r} exists already", "choose another name")
    relative = relative_repo(repo or name, local_repos, home)
    other = overlapping(relative, (project.repo for project in registry.projects))
    if other:
        raise UsageError(
            f"repo {relative!r} overlaps {other!r}, which is a project already",
            "name a folder that is apart from it",
        )
    return Project(name=name, repo=relative, created=now)


def remove_steps(
    project: Project,
    path: str,
    state: str | None,
    rules: Sequence[Step] = (),
    *,
    delete_repo: bool = False,
) -> list[Step]:
    """The steps that forget a project, whose repo is at `path`, and its container.

    `state` is that of the container, None where there is none, and `rules` are the steps that
    take its rules away. The mirror stays, and so does the repo unless `delete_repo` is set.
    """
    steps: list[Step] = []
    if state is not None:
        note = f", which is {state}" if state != "stopped" else ""
        steps.append(DeleteContainer(project.name, note))
    steps += rules  # after it: nothing may use them meanwhile, and nobody else its address
    if delete_repo:
        steps.append(DeleteRepo(project.name, path))
    stay = "its mirror stays as it is" if delete_repo else f"{path} and its mirror stay as they are"
    what = f"forget {project.name}; {stay}"
    return [*steps, WriteRegistry(what, (DropProject(project.name),))]

"""Steps of `setup`, `new` and `remove` that change the estate. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field

from repoman_tasks.errors import Refused, UsageError
from repoman_tasks.late_dataclass import dataclass
from repoman_tasks.model import SCHEMA, Project, Registry
from repoman_tasks.planning.container.templates import installed_agent_fault
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

__all__ = [
    "SetupOptions",
    "choose_estate_id",
    "chosen_agents",
    "new_project",
    "remove_steps",
    "setup_steps",
]


_MIRROR_KEYS = ("last_sync", "mirror")
"""Keys of a project that describe its mirror on the share."""


@dataclass(frozen=True)
class SetupOptions:
    """Options of `setup`; paths are absolute, or empty if not given."""

    local_repos: str = ""
    nfs_repos: str = ""
    new_share: bool = False
    adopt_share: bool = False
    take_over: bool = False
    chosen: Mapping[str, object] = field(default_factory=dict)
    """Other keys to set in [defaults]."""


def setup_steps(
    registry: Registry,
    registry_exists: bool,
    options: SetupOptions,
    local_repos_exist: bool,
    probe: Probe,
    new_id: str,
) -> list[Step]:
    """Return the steps that set up the estate; none if it is set up already.

    `probe` is of the share, `new_id` the estate's id if it needs one.
    """
    local_repos = options.local_repos or registry.defaults.local_repos
    steps: list[Step] = [] if local_repos_exist else [MakeFolder(local_repos)]
    estate = choose_estate_id(registry.estate.id, options, probe, new_id)
    values = _changed_defaults(registry, options)
    edits = _setup_edits(registry, values, estate, probe)
    refuses = not (probe.keeps_modes and probe.keeps_times and probe.keeps_links)  # perhaps no more
    if probe.marker is None or probe.marker.estate != estate or refuses:
        # The marker first: a registry with the id of an unmarked estate would need --new-share.
        steps.append(MarkShare(probe.path, estate))
    if edits:
        verb = "change" if registry_exists else "write"
        what = ", ".join(f"{key} = {_shown(value)}" for key, value in values.items())
        steps.append(
            WriteRegistry(f"{verb} the registry" + (f": {what}" if what else ""), tuple(edits))
        )
    return steps


def _shown(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def chosen_agents(given: str) -> dict[str, object]:
    """Return the keys of [defaults] by which new containers have the agents `given`.

    They are separated by commas; without any there is no key. Raise UsageError for one that does
    not exist.
    """
    agents = tuple(dict.fromkeys(given.replace(",", " ").split()))
    for agent in agents:
        if fault := installed_agent_fault(agent):
            raise UsageError(f"--agents {given}", fault)
    return {"template": "agent", "agents": agents} if agents else {}


def _setup_edits(
    registry: Registry, values: Mapping[str, object], estate: str, probe: Probe
) -> list[Edit]:
    edits: list[Edit] = []
    if values:
        edits.append(SetKeys(values))
    if estate != registry.estate.id or registry.estate.schema != SCHEMA:
        edits.append(SetKeys({"schema": SCHEMA, "id": estate}, "estate"))
    if probe.marker is None or probe.marker.estate != registry.estate.id:
        # The recorded mirrors are on another share.
        mirrored = [p for p in registry.projects if p.mirror or p.last_sync]
        edits += [SetKeys(dict.fromkeys(_MIRROR_KEYS), project=p.name) for p in mirrored]
    return edits


def _changed_defaults(registry: Registry, options: SetupOptions) -> dict[str, object]:
    """Return the keys to write to [defaults]: changed ones, and paths that it does not set yet."""
    values: dict[str, object] = {}
    for key, given in (("local_repos", options.local_repos), ("nfs_repos", options.nfs_repos)):
        current = getattr(registry.defaults, key)
        if (given and given != current) or registry.origins.get(key) != "registry":
            values[key] = given or current
    if registry.origins.get("incus_project", "").startswith("environment"):
        # Commands without the variable, as of cron, would see other containers.
        values["incus_project"] = registry.defaults.incus_project
    in_registry = {k for k, origin in registry.origins.items() if origin == "registry"}
    current = vars(registry.defaults)
    chosen = {k: v for k, v in options.chosen.items() if k not in in_registry or current[k] != v}
    return values | chosen


def choose_estate_id(current: str, options: SetupOptions, probe: Probe, new_id: str) -> str:
    """Return the id that both the registry and the share will have.

    `current` is that of the registry, or empty. Raise Refused if the share has another one and
    no option permits to replace either.
    """
    on_share = probe.marker.estate if probe.marker else None
    if current and on_share == current:
        return current
    if on_share is not None and options.adopt_share and not current:
        if not on_share:
            raise Refused(
                f"the marker on {probe.path} can't be read",
                "check it, or replace it with `repoman setup --new-share`",
            )
        return on_share
    if options.new_share:
        return current or new_id
    if on_share is not None:
        if current:
            cure = "mount the right share, or take this one over with `repoman setup --new-share`"
        else:
            cure = (
                "run `repoman setup --adopt-share` if its registry was lost, "
                "otherwise choose another --nfs-repos"
            )
        raise Refused(f"{probe.path} is the share of estate {on_share or 'unknown'} already", cure)
    if current:
        raise Refused(
            f"{probe.path} has no marker, but this estate has marked another share",
            "mount that share, or mark this one with `repoman setup --new-share`",
        )
    return new_id


def new_project(
    registry: Registry, name: str, repo: str, local_repos: str, home: str, now: str
) -> Project:
    """Return the project for `new` to register. Raise UsageError if its name or repo is invalid."""
    check_name(name)
    if registry.project(name):
        raise UsageError(f"a project called {name!r} exists already", "choose another name")
    relative = relative_repo(repo or name, local_repos, home)
    other = overlapping(relative, registry.repos)
    if other:
        raise UsageError(
            f"repo {relative!r} overlaps {other!r}, the repo of another project",
            "choose a separate folder",
        )
    return Project(name=name, repo=relative, created=now)


def remove_steps(
    project: Project,
    path: str,
    state: str | None,
    further: Sequence[Step] = (),
    *,
    delete_repo: bool = False,
) -> list[Step]:
    """Return the steps that remove a project with its container from the estate.

    `path` is that of the repo, which is kept unless `delete_repo` is set; `state` that of the
    container, None if there is none; the `further` steps remove its volume and its network rules.
    The mirror is kept, if there is one.
    """
    steps: list[Step] = []
    if state is not None:
        note = f", which is {state}" if state != "stopped" else ""
        steps.append(DeleteContainer(project.name, note))
    # After the container: it may use its rules until then, and nobody else may get its address.
    steps += further
    if delete_repo:
        steps.append(DeleteRepo(project.name, path))
    mirror = "its mirror" if project.mirror or project.last_sync else ""
    kept = " and ".join(filter(None, ("" if delete_repo else path, mirror)))
    what = f"remove {project.name} from the registry" + (f"; keep {kept}" if kept else "")
    return [*steps, WriteRegistry(what, (DropProject(project.name),))]

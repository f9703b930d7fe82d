"""Decide what `setup --adopt-share` takes over from the copy of a lost registry. Pure.

Whoever can write the share could have written the copy. So only what says which repos exist and how
they are mirrored is taken over, after it was shown: nothing that mounts a folder, passes on a
secret, opens the network or loosens a limit.
"""

from __future__ import annotations

from dataclasses import replace

from repoman_tasks.late_dataclass import dataclass
from repoman_tasks.model import Defaults, Project, Registry, keys
from repoman_tasks.planning.registry_edits import AddProject, Edit, SetKeys
from repoman_tasks.planning.steps import WriteRegistry
from repoman_tasks.planning.text.wording import format_toml, plural

__all__ = ["Takeover", "plan_takeover"]

_PROJECT_KEYS = (
    *("name", "repo", "image", "mirror", "backup", "container", "exclude"),
    *("max_delete", "max_size_gib", "max_entries"),
)
_DEFAULTS_KEYS = (
    *("default_image", "jobs", "full_every", "verify_seconds", "exclude", "probe_seconds"),
    *("stall_seconds", "sync_seconds", "min_free_mib", "max_age_hours"),
    *("max_size_gib", "max_entries"),
)
_COMPUTED = ("address", "address6", "protected", "local_repos", "nfs_repos")
"""Keys that the commands on the new host set themselves."""


@dataclass(frozen=True)
class Takeover:
    """Step that takes over projects and settings, and what it leaves out."""

    step: WriteRegistry
    left_out: tuple[str, ...]
    """Keys that are for a person to add, each as `PROJECT: KEY, KEY`."""


def plan_takeover(copy: Registry, registry: Registry, now: str) -> Takeover | None:
    """Return what to take over from `copy` into the new `registry`, None if there is nothing.

    Projects count as created `now`, in the registry's format: failures before that are not
    reported, so a later time would hide those that follow.
    """
    values = {
        key.name: getattr(copy.defaults, key.name)
        for key in keys(Defaults)
        if copy.origins.get(key.name) == "registry"
    }
    settings = {name: value for name, value in values.items() if name in _DEFAULTS_KEYS}
    new = [project for project in copy.projects if registry.project(project.name) is None]
    edits: list[Edit] = [SetKeys(settings)] if settings else []
    edits += [AddProject(replace(_plain(project), created=now)) for project in new]
    if not edits:
        return None
    told = [f"{name} = {format_toml(value)}" for name, value in settings.items()]
    told += [_described(project) for project in new]
    what = f"take over {plural(len(new), 'project')} and {plural(len(settings), 'setting')}"
    left = [("[defaults]", [n for n in values if n not in (*_DEFAULTS_KEYS, *_COMPUTED)])]
    left += [(project.name, _others(project)) for project in new]
    left += [("[hosts]", [host.name for host in copy.hosts])]
    left_out = tuple(f"{name}: {', '.join(others)}" for name, others in left if others)
    return Takeover(WriteRegistry(f"{what}: {'; '.join(told)}", tuple(edits)), left_out)


def _plain(project: Project) -> Project:
    return Project(**{name: getattr(project, name) for name in _PROJECT_KEYS})


def _described(project: Project) -> str:
    """Return the project's name, with what differs from its defaults."""
    shown = ("repo", "image", "backup", "container", "exclude", "max_delete")
    default = Project(project.name, project.name)
    values = {name: getattr(project, name) for name in shown}
    changed = [f"{n} {format_toml(v)}" for n, v in values.items() if v != getattr(default, n)]
    return project.name + (f" ({', '.join(changed)})" if changed else "")


def _others(project: Project) -> list[str]:
    """Return the keys that differ from their defaults and are not taken over."""
    ignored = (*_PROJECT_KEYS, *_COMPUTED, "created")
    others = (key for key in keys(Project) if key.name not in ignored)
    return [key.name for key in others if getattr(project, key.name) != key.default]

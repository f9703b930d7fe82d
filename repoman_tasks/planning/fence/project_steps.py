"""The restricted Incus project, the part of the fence that holds against any client. Pure.

With `shift=true` on a disk device, root of a container makes set-uid files of the host's root.
So the project allows disk devices from a few folders only, where Incus refuses `shift`, and a
map of ids that lets one user's own uid and gid through; whatever root of a container makes
belongs to a uid that nobody has outside (Incus: reference/projects, raw.idmap).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from repoman_tasks.planning.container.spec import Spec
from repoman_tasks.planning.fence.fence_facts import DESCRIPTION, FenceFacts
from repoman_tasks.planning.findings import Finding
from repoman_tasks.planning.names import inside
from repoman_tasks.planning.steps import CallIncus, Step

__all__ = [
    "allowing_step",
    "creating_step",
    "old_folders",
    "opening_steps",
    "project_faults",
    "strengthening_step",
]

_PATHS = "restricted.devices.disk.paths"
_HARMLESS = ("block", "managed", "unprivileged", "isolated", "false", "")
"""Values of `restricted.…` that allow nothing."""


# --- what it is to be -----------------------------------------------------------------------


def _project(facts: FenceFacts, network: str) -> dict[str, str]:
    folders = [*_desired_folders(facts), *_still_used(facts)]
    config = {
        "features.images": "false",
        "features.networks": "false",
        "features.profiles": "true",
        "features.storage.buckets": "true",
        "features.storage.volumes": "true",
        "restricted": "true",
        "restricted.devices.disk": "allow",
        _PATHS: ",".join(folders),
        "restricted.devices.nic": "managed",
        "restricted.networks.access": network,
        "restricted.idmap.uid": str(facts.person.uid),
        "restricted.idmap.gid": str(facts.person.gid),
    }
    if facts.defaults.nesting:
        config["restricted.containers.nesting"] = "allow"
    return config


def _paths(config: Mapping[str, str]) -> list[str]:
    return [path for path in config.get(_PATHS, "").split(",") if path]


def _desired_folders(facts: FenceFacts) -> list[str]:
    folders = [folder for folder in (facts.local_repos, facts.shared) if folder]
    for source in sorted(facts.mounts):
        if not any(inside(source, folder) for folder in folders):
            folders.append(source)
    return folders


def _still_used(facts: FenceFacts) -> dict[str, list[str]]:
    """Folders that are to be allowed no more, with those that have to leave them first."""
    desired = _desired_folders(facts)
    found = {}
    for folder in _paths(facts.project or {}):
        if folder not in desired:
            users = [n for source, n in facts.used.items() if inside(source, folder)]
            names = sorted({name for group in users for name in group})
            if names:
                found[folder] = names
    return found


def _is_extra(key: str, value: str, desired: Mapping[str, str]) -> bool:
    return key.startswith("restricted.") and key not in desired and value not in _HARMLESS


def project_faults(facts: FenceFacts, network: str) -> list[str]:
    """Where the project is weaker than it should be, in words."""
    now, desired = facts.project or {}, _project(facts, network)
    faults = [
        f"{key} = {now.get(key, 'unset')}, it should be {value}"
        for key, value in desired.items()
        if now.get(key, "unset") != value and not (key == "features.networks" and key not in now)
    ]
    return faults + [
        f"{key} = {value}" for key, value in sorted(now.items()) if _is_extra(key, value, desired)
    ]


# --- steps ----------------------------------------------------------------------------------


def creating_step(facts: FenceFacts, project: str, network: str) -> Step:
    """The step that makes the project."""
    config = _project(facts, network)
    body: dict[str, Any] = {"name": project, "config": config, "description": DESCRIPTION}
    what = f"create the Incus project {project}, restricted"
    return CallIncus(what, "POST", "/1.0/projects", body)


def allowing_step(facts: FenceFacts, project: str, network: str) -> Step | None:
    """The step that allows the new folders beside the old ones; None where there is no new one.

    Profiles that leave the old folders for the new ones need both meanwhile.
    """
    config = facts.project or {}
    now, after = _paths(config), _paths(_project(facts, network))
    new = [folder for folder in after if folder not in now]
    return _allowing(project, config, new) if new else None


def strengthening_step(facts: FenceFacts, project: str, network: str) -> Step:
    """The step that makes the project what it should be."""
    desired = _project(facts, network)
    kept = {k: v for k, v in (facts.project or {}).items() if not _is_extra(k, v, desired)}
    wrong = "; ".join(project_faults(facts, network))
    what = f"strengthen the Incus project {project}: {wrong}"
    return CallIncus(what, "PUT", _path(project), {"config": kept | desired})


def opening_steps(project: str, config: Mapping[str, str], desired: Spec) -> list[Step]:
    """The step that allows the Incus project the mounts of `desired`; none where it does."""
    allowed = _paths(config)
    sources = [device["source"] for device in desired.devices.values() if "source" in device]
    new = [s for s in sources if not any(inside(s, folder) for folder in allowed)]
    return [_allowing(project, config, new)] if new else []


def _allowing(project: str, config: Mapping[str, str], new: list[str]) -> Step:
    # With PATCH, Incus takes the features that are left out for changed.
    body = {"config": {**config, _PATHS: ",".join(dict.fromkeys([*_paths(config), *new]))}}
    what = f"allow the Incus project {project} {', '.join(new)} too"
    return CallIncus(what, "PUT", _path(project), body)


def _path(project: str) -> str:
    return f"/1.0/projects/{quote(project, safe='')}"


# --- findings -------------------------------------------------------------------------------


def old_folders(facts: FenceFacts) -> list[Finding]:
    """Folders that are allowed only because something still mounts them."""
    found = []
    for folder, names in _still_used(facts).items():
        what = f"{folder} stays allowed, it is still mounted by {', '.join(names)}"
        cure = "`repoman update` each container, then `repoman setup --repair`"
        found.append(Finding("incus", what, cure, kind="fence"))
    return found

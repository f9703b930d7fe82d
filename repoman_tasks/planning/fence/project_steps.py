"""Steps and findings about the restricted Incus project. Pure.

With `shift=true` on a disk device, root in a container could create set-uid files of the host's
root. So the project allows disk devices from a few folders only, where Incus refuses `shift`, and
an id map for one user's uid and gid only: files that root in a container creates belong to a uid
that nobody has outside (Incus: reference on projects, raw.idmap).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from repoman_tasks.errors import Refused, UsageError, quoted
from repoman_tasks.planning.fence.fence_facts import DESCRIPTION, FenceFacts
from repoman_tasks.planning.findings import Finding
from repoman_tasks.planning.names import inside
from repoman_tasks.planning.steps import CallIncus, Step

__all__ = [
    "allow_mounts_steps",
    "allow_snapshots_steps",
    "allow_step",
    "check_own_project",
    "create_project_step",
    "old_folder_findings",
    "project_faults",
    "repair_project_step",
]

_PATHS = "restricted.devices.disk.paths"
_NESTING = "restricted.containers.nesting"
_SNAPSHOTS = "restricted.snapshots"
_STRICT_VALUES = ("block", "managed", "unprivileged", "isolated", "false", "")
"""Values of `restricted.…` keys that allow nothing."""


# --- configuration --------------------------------------------------------------------------


def _desired_config(facts: FenceFacts, network: str) -> dict[str, str]:
    folders = [*_desired_folders(facts), *_folders_in_use(facts)]
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
        _SNAPSHOTS: "allow",
    }
    if facts.defaults.nesting:
        config[_NESTING] = "allow"
    return config


def _allowed_folders(config: Mapping[str, str]) -> list[str]:
    return [path for path in config.get(_PATHS, "").split(",") if path]


def _desired_folders(facts: FenceFacts) -> list[str]:
    folders = [folder for folder in (facts.local_repos, facts.login_folder) if folder]
    for source in sorted(facts.mounts):
        if not any(inside(source, folder) for folder in folders):
            folders.append(source)
    return folders


def _folders_in_use(facts: FenceFacts) -> dict[str, list[str]]:
    """Return the folders that should no longer be allowed but are still mounted.

    Each with the names of the containers and profiles that mount it.
    """
    desired = _desired_folders(facts)
    in_use = {}
    for folder in _allowed_folders(facts.project or {}):
        if folder not in desired:
            users = [n for source, n in facts.mount_users.items() if inside(source, folder)]
            names = sorted({name for group in users for name in group})
            if names:
                in_use[folder] = names
    return in_use


def _is_extra(key: str, value: str, desired: Mapping[str, str]) -> bool:
    return key.startswith("restricted.") and key not in desired and value not in _STRICT_VALUES


def _is_as_desired(key: str, actual: str | None, desired: str) -> bool:
    """Return True if a setting is as desired; the order of folders has no effect."""
    if key == _PATHS and actual is not None:
        return set(actual.split(",")) == set(desired.split(","))
    # An unset features.networks is false in any project but Incus's default one. Who blocks
    # snapshots is stricter; and the first allows them where an earlier version made the project.
    unset = key == "features.networks" and actual is None
    return actual == desired or unset or (key == _SNAPSHOTS and actual in (None, "block"))


def project_faults(facts: FenceFacts, network: str) -> list[str]:
    """Return the settings by which the project is weaker than required, as phrases."""
    actual, desired = facts.project or {}, _desired_config(facts, network)
    faults = [
        f"{key} = {actual.get(key, 'unset')}, expected {value}"
        for key, value in desired.items()
        if not _is_as_desired(key, actual.get(key), value)
    ]
    return faults + [
        f"{key} = {value}"
        for key, value in sorted(actual.items())
        if _is_extra(key, value, desired)
    ]


# --- steps ----------------------------------------------------------------------------------


def check_own_project(project: str) -> None:
    """Raise UsageError if `project` is Incus's own one, which other containers are in."""
    if project == "default":
        raise UsageError(
            "the Incus project default is Incus's own, and other containers may be in it",
            "set incus_project in [defaults] to another name, or unset INCUS_PROJECT",
        )


def create_project_step(facts: FenceFacts, project: str, network: str) -> Step:
    """Return the step that creates the Incus project called `project`."""
    config = _desired_config(facts, network)
    body: dict[str, Any] = {"name": project, "config": config, "description": DESCRIPTION}
    what = f"create the restricted Incus project {project}"
    return CallIncus(what, "POST", "/1.0/projects", body)


def allow_step(facts: FenceFacts, project: str, network: str) -> Step | None:
    """Return the step that allows what is new besides what is old; None if nothing is new.

    Profiles that move from an old folder to a new one need both until they have moved, and
    Incus takes no setting in a profile that the project does not allow yet.
    """
    config, desired = facts.project or {}, _desired_config(facts, network)
    allowed = _allowed_folders(config)
    new = [folder for folder in _allowed_folders(desired) if folder not in allowed]
    nesting = desired.get(_NESTING) == "allow" != config.get(_NESTING)
    if not (new or nesting):
        return None
    return _allow_step(project, config, new, {_NESTING: "allow"} if nesting else {})


def repair_project_step(facts: FenceFacts, project: str, network: str) -> Step:
    """Return the step that gives the project its desired configuration."""
    desired = _desired_config(facts, network)
    kept = {k: v for k, v in (facts.project or {}).items() if not _is_extra(k, v, desired)}
    faults = "; ".join(project_faults(facts, network))
    what = f"repair the Incus project {project}: {faults}"
    return CallIncus(what, "PUT", _api_path(project), _body(kept | desired))


def allow_mounts_steps(
    project: str, config: Mapping[str, str], sources: Sequence[str]
) -> list[Step]:
    """Return the step that allows mounts from `sources` in the project; none if it allows them."""
    allowed = _allowed_folders(config)
    new = [s for s in sources if not any(inside(s, folder) for folder in allowed)]
    return [_allow_step(project, config, new)] if new else []


def allow_snapshots_steps(project: str, config: Mapping[str, str]) -> list[Step]:
    """Return the step that allows snapshots in the project; none if it allows them.

    Raise Refused if somebody blocked them.
    """
    if config.get(_SNAPSHOTS) == "allow":
        return []
    if _SNAPSHOTS in config:
        command = quoted("incus", "project", "set", project, f"{_SNAPSHOTS}=allow")
        raise Refused(f"the Incus project {project} blocks snapshots", f"run `{command}`")
    what = f"allow snapshots in the Incus project {project}"
    body = _body({**config, _SNAPSHOTS: "allow"})
    return [CallIncus(what, "PUT", _api_path(project), body)]


def _allow_step(
    project: str, config: Mapping[str, str], new: list[str], more: Mapping[str, str] | None = None
) -> Step:
    # PUT, because Incus takes features that a PATCH leaves out for changed.
    folders = dict.fromkeys([*_allowed_folders(config), *new])
    body = _body({**config, _PATHS: ",".join(folders), **(more or {})})
    kinds = [f"mounts from {', '.join(new)}"] if new else []
    kinds += ["containers in containers"] if more else []
    what = f"allow {' and '.join(kinds)} in the Incus project {project}"
    return CallIncus(what, "PUT", _api_path(project), body, _body(config))


def _body(config: Mapping[str, str]) -> dict[str, Any]:
    """Return the body of a PUT to a project, which clears a description that it leaves out."""
    return {"config": dict(config), "description": DESCRIPTION}


def _api_path(project: str) -> str:
    return f"/1.0/projects/{quote(project, safe='')}"


# --- findings -------------------------------------------------------------------------------


def old_folder_findings(facts: FenceFacts) -> list[Finding]:
    """Return a finding for each folder that is allowed only because it is still mounted."""
    return [
        Finding(
            "incus",
            f"{folder} is still allowed, because it is mounted by {', '.join(names)}",
            _free_folder_cure(name for name in names if name in facts.containers),
            kind="fence",
        )
        for folder, names in _folders_in_use(facts).items()
    ]


def _free_folder_cure(names: Iterable[str]) -> str:
    """Return the cure of a folder that the containers called `names` mount."""
    updates = [f"`repoman update {quoted(name)}`" for name in names]
    return f"run {', '.join([*updates, ''])}then `repoman setup --repair`"

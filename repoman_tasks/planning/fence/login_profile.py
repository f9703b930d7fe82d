"""Steps and findings about the profile that shares a login, and about agents' folders. Pure.

An agent on the host runs what is in its own folder: hooks, servers, snapshots of shells. So no
container gets one. The profile shares a folder that holds a login and nothing else, or nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from repoman_tasks.planning.container.agents import AGENTS, LOGIN_PATH
from repoman_tasks.planning.container.spec import SHARE_PROFILE
from repoman_tasks.planning.fence.fence_facts import REPAIR_CURE, FenceFacts, FenceOptions
from repoman_tasks.planning.findings import Finding
from repoman_tasks.planning.names import inside
from repoman_tasks.planning.steps import CallIncus, Step

__all__ = ["login_profile_findings", "login_profile_steps", "shared_folders"]

_VARIABLE = "environment.CLAUDE_SECURESTORAGE_CONFIG_DIR"
"""Has Claude Code read its login from another folder than the rest of its state."""


def login_profile_steps(facts: FenceFacts, options: FenceOptions, query: str) -> list[Step]:
    """Return the steps that create the profile, or with `options.repair` change it."""
    desired, actual = _profile(facts), facts.profiles.get(SHARE_PROFILE)
    purpose = f"share the login in {facts.login_folder}" if facts.login_folder else "share nothing"
    if actual is None:
        what = f"create the profile {SHARE_PROFILE} to {purpose}"
        body = {"name": SHARE_PROFILE, **desired}
        return [CallIncus(what, "POST", f"/1.0/profiles{query}", body)]
    if not options.repair or _same_profile(actual, desired):
        return []
    what = f"change the profile {SHARE_PROFILE} to {purpose}"
    if folders := shared_folders(facts):
        what += f"; containers lose {', '.join(folders)}, where nothing is deleted"
    return [CallIncus(what, "PUT", f"/1.0/profiles/{SHARE_PROFILE}{query}", desired)]


def _profile(facts: FenceFacts) -> dict[str, Any]:
    device = {"type": "disk", "source": facts.login_folder, "path": LOGIN_PATH}
    return {
        "config": {_VARIABLE: LOGIN_PATH} if facts.login_folder else {},
        "devices": {SHARE_PROFILE: device} if facts.login_folder else {},
        "description": "Login that all containers share, or nothing",
    }


def _same_profile(actual: Mapping[str, Any], desired: Mapping[str, Any]) -> bool:
    return all((actual.get(key) or {}) == desired[key] for key in ("config", "devices"))


def shared_folders(facts: FenceFacts) -> list[str]:
    """Return the folders that the profile mounts and should not, as earlier versions had it."""
    devices = (facts.profiles.get(SHARE_PROFILE) or {}).get("devices") or {}
    sources = {str(device["source"]) for device in devices.values() if device.get("source")}
    return sorted(sources - {facts.login_folder})


def login_profile_findings(facts: FenceFacts) -> list[Finding]:
    """Return findings about the profile, and about containers that have an agent's folder."""
    return [*_profile_findings(facts), *_mounted_findings(facts), *_other_findings(facts)]


def _profile_findings(facts: FenceFacts) -> list[Finding]:
    actual = facts.profiles.get(SHARE_PROFILE)
    if actual is None:
        what = f"the profile {SHARE_PROFILE} does not exist"
        return [Finding("incus", what, "run `repoman setup`", kind="fence")]
    if _same_profile(actual, _profile(facts)):
        return []
    if folders := shared_folders(facts):
        what = _open_folder(", ".join(folders), [f"the profile {SHARE_PROFILE}"])
    else:
        what = f"the profile {SHARE_PROFILE} should share {facts.login_folder or 'nothing'}"
    return [Finding("incus", what, REPAIR_CURE, kind="fence")]


def _mounted_findings(facts: FenceFacts) -> list[Finding]:
    """Return a finding for each folder of an agent on the host that a container can write."""
    home = facts.person.home
    private = [f"{home}/{path}" for agent in AGENTS for path in agent.host]
    cure = "remove it from `mounts` in the registry, then run `repoman update` for each container"
    return [
        Finding("incus", _open_folder(source, users), cure, kind="fence")
        for source, users in facts.mount_users.items()
        if any(inside(source, path) or inside(path, source) for path in private)
    ]


def _other_findings(facts: FenceFacts) -> list[Finding]:
    if not facts.login_others:
        return []
    what = f"{facts.login_folder} holds more than a login: {', '.join(facts.login_others[:5])}"
    return [Finding("incus", what, "look at it, then delete what is not the login", kind="fence")]


def _open_folder(folder: str, users: Iterable[str]) -> str:
    return f"{folder} is mounted by {', '.join(users)}: what is written there runs on this host"

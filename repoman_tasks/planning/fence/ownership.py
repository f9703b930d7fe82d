"""Incus projects and bridges of another person on the same daemon, which are left alone. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import parse_qs, urlsplit

from repoman_tasks.errors import UsageError, quoted
from repoman_tasks.planning.fence.bridge import Bridge

__all__ = ["MAPPED_UID", "check_bridge_owner", "check_project_owner", "mapped_uid"]

MAPPED_UID = "restricted.idmap.uid"
"""Key of a project: the uid that its containers may have, which is that of its person."""
_MAP = re.compile(r"(?:uid|both) (\d+) (\d+)")
"""A line of raw.idmap."""


def check_project_owner(project: str, config: Mapping[str, str], uid: int) -> None:
    """Raise UsageError if the Incus project is for another person than the one with `uid`."""
    other = _person(config.get(MAPPED_UID, ""))
    if other not in (0, uid):
        what = f"the Incus project {project} is of another person, with the uid {other}"
        raise UsageError(what, _cure(uid))


def check_bridge_owner(
    name: str, bridge: Bridge | None, projects: Mapping[str, Mapping[str, str]], uid: int
) -> None:
    """Raise UsageError if another person's project uses the bridge, which has one set of rules.

    `projects` has the configuration of each Incus project by its name.
    """
    for project in () if bridge is None else map(_project_of, bridge.used_by):
        other = _person(projects.get(project, {}).get(MAPPED_UID, ""))
        if other not in (0, uid):
            what = f"the network {name} is of another person, with the uid {other}"
            raise UsageError(what, _cure(uid))


def mapped_uid(raw_idmap: str) -> int:
    """Return the uid of the person whom a container is for; 0 if its id map does not say."""
    uids = {int(inside) for inside, outside in _MAP.findall(raw_idmap) if inside == outside}
    return uids.pop() if len(uids) == 1 else 0


def _person(uids: str) -> int:
    """Return the uid if it is one of a person; 0 for root, and for anything else."""
    return int(uids) if uids.isascii() and uids.isdigit() else 0


def _project_of(path: str) -> str:
    """Return the project in a path of Incus's API."""
    return parse_qs(urlsplit(path).query).get("project", ["default"])[0]


def _cure(uid: int) -> str:
    names = quoted("--incus-project", f"repoman-{uid}", "--network", f"rm{uid}")
    command = f"repoman setup {names} --init-incus"
    return f"to have your own, run `{command}`"

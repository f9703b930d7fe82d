"""File systems that are mounted in a repo on the host, and not in its container. Pure."""

from __future__ import annotations

from repoman_tasks.errors import quoted
from repoman_tasks.model import Project
from repoman_tasks.mountinfo import parse_mountinfo
from repoman_tasks.planning.findings import EstateFacts, Finding
from repoman_tasks.planning.mirror.inner_mounts import find_inner_mounts
from repoman_tasks.planning.text.wording import format_toml

__all__ = ["host_mount_findings"]


def host_mount_findings(facts: EstateFacts, project: Project) -> list[Finding]:
    """Return a finding for each file system in the project's repo that its container lacks.

    Incus mounts a folder without what is mounted in it: inside, the folder below can be seen, and
    written, in place of the file system.
    """
    repo = f"{facts.local_repos}/{project.repo}"
    if not project.container or f" {repo.replace(' ', chr(92) + '040')}/" not in facts.mountinfo:
        return []
    mounts = find_inner_mounts(parse_mountinfo(facts.mountinfo), repo)
    return [_finding(project, mount.target) for mount in mounts if mount.target != repo]


def _finding(project: Project, path: str) -> Finding:
    what = f"a file system is mounted at {path}, and its container has the folder below that"
    table = f"{{source = FOLDER, path = {format_toml(path)}}}"
    update = f"run `repoman update {quoted(project.name)} --restart`"
    cure = f"mount it at a FOLDER outside, add {table} to mounts of the project, then {update}"
    return Finding(project.name, what, cure, kind="mounts")

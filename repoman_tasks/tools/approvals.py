"""What a person approved of the repos' .repoman.toml: a file for each repo, in XDG state.

No container ever sees that folder (`tools.places`). What can't be read approves nothing.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from hashlib import sha256

from repoman_tasks.errors import Failed
from repoman_tasks.hosts.base import Future, Host
from repoman_tasks.model import Mount
from repoman_tasks.planning.trust.approval_rules import Approval
from repoman_tasks.registry.names_file import state_folder

__all__ = ["approve", "forget", "state_path", "submit_approval"]

_SCHEMA = 1


def submit_approval(host: Host, repo: str) -> Future[Approval | None]:
    """Ask what was approved for the repo at the real path `repo`."""
    return host.submit_file(state_path(host, "approvals", repo)).then(_parsed)


def _parsed(data: bytes | None) -> Approval | None:
    try:
        found = json.loads(data or b"")
        if found["schema"] != _SCHEMA:
            return None
        mounts = tuple(Mount(one["source"], one["path"]) for one in found["mounts"])
        return Approval(found["repo"], found["digest"], mounts, tuple(found["lines"]))
    except (ValueError, KeyError, TypeError):
        return None


def approve(host: Host, approval: Approval, now: str) -> None:
    """Keep an approval, in the place of what was approved for that repo before."""
    text = json.dumps({"schema": _SCHEMA, "approved": now, **asdict(approval)}, indent=2)
    with host.lock(f"{state_folder(host)}/approvals.lock", wait_seconds=10):
        host.write_file(state_path(host, "approvals", approval.repo), f"{text}\n".encode())


def forget(host: Host, repo: str) -> bool:
    """Take back what was approved for `repo`; whether there was something."""
    path = state_path(host, "approvals", repo)
    if host.read_file(path) is None:
        return False
    with host.lock(f"{state_folder(host)}/approvals.lock", wait_seconds=10):
        result = host.change(["rm", "-f", "--", path])
    if result.code:
        raise Failed(f"{path} can't be removed", result.complaint)
    return True


def state_path(host: Host, kind: str, repo: str) -> str:
    """The file of that kind in which something is kept about the repo at the real path `repo`."""
    name = sha256(repo.encode(errors="surrogateescape")).hexdigest()[:32]
    return f"{state_folder(host)}/{kind}/{name}.json"

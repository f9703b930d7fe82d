"""Approvals of the repos' .repoman.toml: one file per repo, in the XDG state folder.

That folder is never mounted into a container (see `forbidden_paths`). A file that can't be parsed
approves nothing.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from hashlib import sha256

from repoman_tasks.errors import Failed
from repoman_tasks.hosts.base import Future, Host
from repoman_tasks.model import Mount
from repoman_tasks.planning.text.strict_json import parse_json
from repoman_tasks.planning.trust.approval_rules import Approval
from repoman_tasks.registry.names_file import state_folder

__all__ = ["approve", "revoke", "state_path", "submit_approval"]

_SCHEMA = 1


def submit_approval(host: Host, repo: str) -> Future[Approval | None]:
    """Ask for the approval of the repo at the real path `repo`; None if there is none."""
    return host.submit_file(state_path(host, "approvals", repo)).then(_parse)


def _parse(data: bytes | None) -> Approval | None:
    try:
        stored = parse_json(data or b"")
        if stored["schema"] != _SCHEMA:
            return None
        mounts = tuple(_mount(**mount) for mount in stored["mounts"])
        return Approval(stored["repo"], stored["digest"], mounts, tuple(stored["lines"]))
    except (ValueError, KeyError, TypeError):
        return None


def _mount(source: str, path: str, readonly: bool = False) -> Mount:
    return Mount(source, path, readonly)


def approve(host: Host, approval: Approval, now: str) -> None:
    """Store an approval; it replaces an earlier one of the same repo."""
    text = json.dumps({"schema": _SCHEMA, "approved": now, **asdict(approval)}, indent=2)
    with host.lock(f"{state_folder(host)}/approvals.lock", wait_seconds=10):
        host.write_file(state_path(host, "approvals", approval.repo), f"{text}\n".encode())


def revoke(host: Host, repo: str) -> bool:
    """Delete the approval of `repo`; return whether there was one."""
    path = state_path(host, "approvals", repo)
    if host.read_file(path) is None:
        return False
    with host.lock(f"{state_folder(host)}/approvals.lock", wait_seconds=10):
        result = host.change(["rm", "-f", "--", path])
    if result.code:
        raise Failed(f"{path} can't be removed", result.complaint)
    return True


def state_path(host: Host, kind: str, repo: str) -> str:
    """Return the path of the state file of this `kind` for the repo at the real path `repo`."""
    name = sha256(repo.encode(errors="surrogateescape")).hexdigest()[:32]
    return f"{state_folder(host)}/{kind}/{name}.json"

"""Renames a project in what repoman has recorded of it."""

from __future__ import annotations

from dataclasses import replace

from repoman_tasks.actions.facts import copies_folder, reconcile
from repoman_tasks.errors import Failed
from repoman_tasks.hosts.base import Host
from repoman_tasks.planning.steps import RenameState
from repoman_tasks.session import Session
from repoman_tasks.tools.approvals import approve, revoke, state_path, submit_approval
from repoman_tasks.tools.git_judge import revoke_reports

__all__ = ["rename_state"]

_OF_REPO = ("seen", "listed")
"""Kinds of state files that are named for the path of a repo."""


def rename_state(session: Session, step: RenameState) -> None:
    """Rename a project in the state of its syncs, and its repo in approvals; again does no harm."""
    store = session.store
    store.mirrors.rename(step.name, step.to)
    store.verified.rename(step.name, step.to)
    _move_manifests(session, step.name, step.to)
    folder = copies_folder(session)
    _move(session.host, f"{folder}/{step.name}", f"{folder}/{step.to}")
    if step.repo != step.new_repo:
        local_repos = session.of(reconcile).local_repos
        _rename_repo(session, f"{local_repos}/{step.repo}", f"{local_repos}/{step.new_repo}")


def _move_manifests(session: Session, name: str, to: str) -> None:
    """Rename the manifest and what is kept beside it; no name of a project has a dot."""
    host, path = session.host, session.store.mirrors.manifest_path
    folder = path(name).rpartition("/")[0]
    argv = ["find", folder, "-mindepth", "1", "-maxdepth", "1"]
    names = host.read([*argv, "-printf", r"%f\0"]).text.split("\0")[:-1]
    for end in (one.removeprefix(name) for one in names if one.partition(".")[0] == name):
        _move(host, path(name) + end, path(to) + end)


def _rename_repo(session: Session, old: str, new: str) -> None:
    host = session.host
    approval = submit_approval(host, old).result()
    if approval is not None:
        approve(host, replace(approval, repo=new), session.now())
        revoke(host, old)
    revoke_reports(host, old)  # each names paths in the old folder
    for kind in _OF_REPO:
        _move(host, state_path(host, kind, old), state_path(host, kind, new))


def _move(host: Host, path: str, to: str) -> None:
    if host.read(["test", "-e", path]).code:
        return
    result = host.change(["mv", "-fT", "--", path, to])
    if result.code:
        raise Failed(f"{path} can't be renamed", result.complaint)

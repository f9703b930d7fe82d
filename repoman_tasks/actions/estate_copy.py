"""Copies the registry to the share after a sync, and reads the copy if the registry is lost."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import replace

from repoman_tasks.errors import RepomanError
from repoman_tasks.hosts.base import Future
from repoman_tasks.mirror.rsync_pass import SyncContext
from repoman_tasks.model import Registry
from repoman_tasks.planning.steps import Step
from repoman_tasks.planning.takeover import plan_takeover
from repoman_tasks.registry import copy_text, parse
from repoman_tasks.session import Session
from repoman_tasks.tools.share import Share

__all__ = ["copy_registry", "submit_copied", "takeover_steps"]


def submit_copied(session: Session) -> Future[bytes | None]:
    """Ask for the copy that the share has, unless another host wrote there since."""
    return session.host.submit_file(_copied_path(session))


def _copied_path(session: Session) -> str:
    return f"{session.store.mirrors.folder}/registry-copy.toml"


def copy_registry(
    session: Session,
    context: SyncContext,
    complete: Container[str],
    copied: Future[bytes | None],
) -> None:
    """Copy the registry to the share if it changed since; print why if that fails.

    `complete` has the names of the projects whose mirrors the sync completed, `copied` is the
    answer of `submit_copied`.
    """
    path = _copied_path(session)
    try:
        projects = (
            replace(project, mirror=project.repo) if project.name in complete else project
            for project in context.registry.projects
        )
        text = copy_text(replace(context.registry, projects=tuple(projects))).encode()
        if copied.result() == text and context.mirrors.accepts(context.token):
            return
        new = f"{path}.new"
        session.host.write_file(new, text, noted=False)
        context.share.put_registry(new, session.now()[:10])
        session.host.write_file(path, text, noted=False)
    except RepomanError as error:
        session.screen.note(f"the registry could not be copied to the share, {error}")


def takeover_steps(session: Session, share: Share, registry: Registry) -> list[Step]:
    """Return the steps that take over projects and settings from the newest valid copy.

    Print what they leave out, and which copies are not valid.
    """
    found = False
    for path, text in share.registry_copies():
        found = True
        try:
            takeover = plan_takeover(parse(text, path, {}), registry, session.now())
        except RepomanError as error:
            session.screen.note(f"the copy of the registry is not used, {error}")
            continue
        if takeover is None:
            return []
        for line in takeover.left_out:
            session.screen.note(f"not taken over from {path}: {line}")
        return [takeover.step]
    if not found:
        session.screen.note(f"there is no copy of the registry on {share.probe.path}")
    return []

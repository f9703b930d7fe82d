"""Records of mirrors that something else changed, until a person has seen them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import methodcaller

from repoman_tasks.actions.facts import backup_share, mirrors, reconcile
from repoman_tasks.cli.task import task
from repoman_tasks.hosts.base import Future
from repoman_tasks.model import Altered, Project
from repoman_tasks.planning.mirror.altered_mirrors import by_owner, folders_aside, is_of
from repoman_tasks.planning.mirror.sync_plan import find_project
from repoman_tasks.planning.text.wording import plural
from repoman_tasks.session import Session
from repoman_tasks.tools.share import Share

__all__ = ["accept_altered", "find_altered"]


@task()
def aside_folders(session: Session) -> Future[Mapping[str, Sequence[str]]]:
    """Find the folders of the share that repairs have kept aside, by project."""
    share = session.submit(backup_share)
    return share.then(lambda found: by_owner(found.folders) if isinstance(found, Share) else {})


def find_altered(session: Session, project: Project) -> Altered | None:
    """Return what changed the project's mirror and was not seen yet."""
    known = session.of(mirrors).altered.get(project.name)
    projects = {one.name for one in session.of(reconcile).registry.projects}
    there = session.of(aside_folders).get(project.name, ())
    return folders_aside(project, known, there, projects)


def accept_altered(session: Session, name: str | None) -> None:
    """Mark what changed the mirror of a project, or of all, as seen; delete what was kept aside.

    Raise TargetUnusable if the share is needed for that, but can't be used.
    """
    known = session.of(reconcile).registry
    for project in [find_project(known, name)] if name else known.projects:
        found = find_altered(session, project)
        if found is None or not is_of(project, found):
            continue
        share = session.of(backup_share)
        if found.folders and not isinstance(share, Share):
            raise share
        for folder in found.folders:
            assert isinstance(share, Share)
            share.drop_aside(folder)
        if not session.dry:
            session.store.mirrors.update(methodcaller("seen", project.name))
        kept = plural(len(found.folders), "folder")
        deleted = f", and deleted {kept} of what was replaced" if found.folders else ""
        session.screen.note(f"{project.name}: marked its changed mirror as seen{deleted}")
    session.discard_facts()

"""Mirrors on the share that belong to no project: brings them back, or deletes them."""

from __future__ import annotations

from datetime import UTC, datetime

from repoman_tasks.actions.facts import readable_share, reconcile
from repoman_tasks.actions.restore_checks import kept_by, lock_restore
from repoman_tasks.errors import Failed, Refused, RepomanError, quoted
from repoman_tasks.mirror.restore_run import Restore, RestoreSource
from repoman_tasks.model import Excludes, Registry
from repoman_tasks.planning.mirror.restore_plan import Target
from repoman_tasks.planning.mirror.sync_plan import first_symlink
from repoman_tasks.planning.names import overlapping
from repoman_tasks.planning.steps import DeleteMirror, RestoreRepo
from repoman_tasks.planning.text.wording import format_age, format_size, plural
from repoman_tasks.session import Session
from repoman_tasks.tools.git_guard_files import guard_folders
from repoman_tasks.tools.share import Share
from repoman_tasks.tools.snapshot_folders import check_source

__all__ = ["delete_mirror", "has_mirror", "plan_deletion", "restore_repo"]

_SECONDS = 3600.0
"""Time limit for counting or deleting a mirror."""


def has_mirror(session: Session, repo: str) -> bool:
    """Return True if the share has a mirror of the folder `repo`; False if that is unknown."""
    share = session.of(readable_share)
    if not isinstance(share, Share):
        return False
    try:
        return share.submit_roots([repo]).result().get(repo, "").startswith("d")
    except RepomanError:
        return False


def restore_repo(session: Session, share: Share, step: RestoreRepo) -> None:
    """Copy a mirror to the folder of a new project, and compare; raise an error if that fails.

    The copy stays if a later step fails: nothing is lost by that, and it may have taken long.
    """
    source = RestoreSource("mirror", share.root, step.repo)
    stall = session.of(reconcile).registry.defaults.stall_seconds
    target = Target(step.path)
    run = Restore(session.host, kept_by(share), source, target, Excludes(), stall, lambda _: None)
    guard_folders(session.host, target.folders)
    with lock_restore(session, step.name) as lock:
        run.run([lock])
        different = run.differences()
    if different:
        entries = plural(different, "entry", "entries")
        raise Failed(f"{entries} of the copy differ", "leave out --restore, then restore again")


def plan_deletion(session: Session, share: Share, repo: str) -> DeleteMirror:
    """Return the step that deletes the mirror of `repo`, with its size and age.

    Raise Refused if a project has its mirror there, Failed if there is no such mirror.
    """
    _check_unused(session.of(reconcile).registry, repo)
    link = first_symlink(share.submit_roots([repo]).result(), repo)
    if link:
        raise Refused(f"{share.probe.path}/{link} on the share is a symlink", "delete it yourself")
    check_source(share, share.root, repo, (), "", "list what is there with `repoman status`")
    argv = [
        "du",
        "-s",
        "--time",
        "--time-style=+%s",
        "--block-size=1",
        "--",
        f"{share.root}/{repo}",
    ]
    size, time, *_ = share.read(argv, _SECONDS).text.split() or ["", ""]
    about = "size and age unknown"
    if size.isdigit() and time.isdigit():
        changed = datetime.fromtimestamp(int(time), UTC).isoformat()
        about = f"{format_size(int(size))}, last changed {format_age(changed, session.now())}"
    return DeleteMirror(f"{share.probe.path}/{repo}", repo, about)


def _check_unused(registry: Registry, repo: str) -> None:
    other = overlapping(repo, registry.repos)
    if other:
        owners = (p.name for p in registry.projects if other in (p.repo, p.renaming_repo))
        name = next(owners)
        cure = f"run `repoman remove {quoted(name)}` first"
        raise Refused(f"{repo} on the share is the mirror of the project {name}", cure)


def delete_mirror(session: Session, share: Share, step: DeleteMirror) -> None:
    """Delete a mirror, unless a project has it by now. Raise Failed if that is not possible."""
    share.check()
    _check_unused(session.store.load(), step.repo)
    argv = ["rm", "-rf", "--one-file-system", "--", f"{share.root}/{step.repo}"]
    result = session.host.change(argv, timeout=_SECONDS)
    if result.code:
        raise Failed(f"{step.path} was deleted only in part", result.complaint)

"""`rename`: give a project another name."""

from __future__ import annotations

from contextlib import suppress
from functools import partial

from repoman_tasks.actions.apply import Plan, apply_plan
from repoman_tasks.actions.container_plans import step_runner
from repoman_tasks.actions.facts import (
    containers,
    incus,
    reconcile,
    require_containers,
    require_share,
    volumes,
)
from repoman_tasks.actions.held_locks import hold_lock
from repoman_tasks.actions.project_container import check_single, lock_container
from repoman_tasks.cli.task import task
from repoman_tasks.errors import Refused, RepomanError, UsageError
from repoman_tasks.model import Project
from repoman_tasks.planning.findings import unfinished_rename
from repoman_tasks.planning.mirror.sync_plan import find_project, first_symlink
from repoman_tasks.planning.rename_steps import (
    Rename,
    RenameFacts,
    check_rename,
    rename_steps,
    rename_target,
)
from repoman_tasks.planning.steps import ChangeState
from repoman_tasks.session import Session
from repoman_tasks.tools.share import Share
from repoman_tasks.wizards.project_choice import ask_rename


@task(
    wizard=ask_rename,
    pre=[reconcile],
    positional=["name", "to"],
    greedy=True,
    help={
        "name": "Name of the project.",
        "to": "New name of it.",
        "folder": "Rename the folder of its repo and its mirror on the share, too.",
        "dry_run": "Show what would change, and change nothing.",
    },
    examples={
        "repoman rename isurus lamna": "Rename a project, its container and its volume",
        "repoman rename isurus lamna --folder": "Rename its repo and its mirror, too",
    },
    exit_codes={
        "4": "another command is working on the project",
        "5": "the backup share is not usable, which --folder needs",
        "6": "refused: something of the new name exists already",
        "130": "interrupted, or a prompt was answered with no",
    },
)
def rename(
    session: Session,
    name: str | None = None,
    to: str | None = None,
    folder: bool = False,
    dry_run: bool = False,
) -> None:
    """Rename a project with its container, its volume and all that is recorded of it.

    A container that runs is stopped and started again. If it is interrupted, run the same command
    again: it goes on where it stopped.
    """
    if name is None or to is None:
        raise UsageError("rename needs two names", "`repoman rename NAME TO`")
    project = find_project(session.of(reconcile).registry, name)
    plan = _plan(session, project, to, folder=folder)
    try:
        apply_plan(session, plan, dry_run=dry_run, on_confirm=partial(_lock, session, name, to))
    except (RepomanError, KeyboardInterrupt):
        _tell_unfinished(session, project.name)
        raise
    restarts = isinstance(plan.steps[-1], ChangeState)
    if project.container and not restarts and not (dry_run or session.dry):
        session.screen.note(f"Next: repoman start {to}")


def _tell_unfinished(session: Session, name: str) -> None:
    """Print how to complete the rename of `name` if the registry has noted it."""
    with suppress(RepomanError):
        project = session.store.load().project(name)
        if project is not None and project.renaming:
            session.screen.note(": ".join(unfinished_rename(project)))


def _plan(session: Session, project: Project, to: str, *, folder: bool) -> Plan:
    """Return the plan. Raise an error if the new name is not possible."""
    facts = session.of(reconcile)
    target = rename_target(facts.registry, project, to, folder=folder)
    share = _share(session, project, target)
    found = _facts(session, project, target, share)
    check_rename(target, found)
    return Plan(rename_steps(target, project, found), share, step_runner(session))


def _share(session: Session, project: Project, target: Rename) -> Share | None:
    """Return the share if a mirror has to be renamed there, which was ever written."""
    mirrored = project.backup and (project.last_sync or project.mirror)
    return require_share(session) if target.moves and mirrored else None


def _facts(session: Session, project: Project, target: Rename, share: Share | None) -> RenameFacts:
    """Find what exists under the old name, and what under the new one."""
    facts, repos = session.of(reconcile), (target.old_repo, target.new_repo)
    # Of a project without a container, too: something may have the new name.
    answer = require_containers(session) if project.container else session.of(containers)
    check_single(facts, answer, project)
    real = session.host.real_folders([f"{facts.local_repos}/{repo}" for repo in repos])
    found = {repo for repo, path in zip(repos, real, strict=True) if path is not None}
    found_volumes = session.of(volumes)  # it finds their homes
    return RenameFacts(
        session.of(incus).homes.of_volume(target.old),
        facts.local_repos,
        answer.by_name,
        found_volumes,
        frozenset(found),
        _mirrors(share, target) if share else frozenset(),
    )


def _mirrors(share: Share, target: Rename) -> frozenset[str]:
    """Return which of the two mirrors exist. Raise Refused if a symlink leads to one."""
    repos = (target.old_repo, target.new_repo)
    roots = share.submit_roots(repos).result()
    for repo in repos:
        if link := first_symlink(roots, repo):
            raise Refused(f"{share.probe.path}/{link} on the share is a symlink", "remove it")
    return frozenset(repo for repo in repos if repo in roots)


def _lock(session: Session, name: str, to: str) -> None:
    """Keep other commands from the project until the session ends. Raise Busy if one is at work."""
    for one in (name, to):
        lock_container(session, one)
    hold_lock(session, session.store.lock_path(name), f"{name} is being mirrored")

"""Finds what the snapshots of a project are made of, and plans to take one."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote

from repoman_tasks.actions.apply import Plan, apply_plan
from repoman_tasks.actions.container_plans import step_runner
from repoman_tasks.actions.facts import (
    containers,
    copies,
    copies_folder,
    incus,
    reconcile,
    require_containers,
    volumes,
)
from repoman_tasks.actions.project_container import check_single, repo_path
from repoman_tasks.errors import Busy
from repoman_tasks.hosts.base import Future, Locked
from repoman_tasks.model import Project
from repoman_tasks.planning.fence.project_steps import allow_snapshots_steps
from repoman_tasks.planning.local_snapshots import SnapshotFacts, own_ids, snapshot_steps
from repoman_tasks.planning.steps import Step
from repoman_tasks.session import Session
from repoman_tasks.tools.incus import Incus, project_path
from repoman_tasks.tools.repo_copies import submit_left, submit_size

__all__ = ["allow_snapshots", "snapshot_facts", "take_snapshot"]


def snapshot_facts(session: Session, project: Project, *, to_take: bool = False) -> SnapshotFacts:
    """Return what the snapshots of a project are made of; its size only if one is `to_take`."""
    facts, host = session.of(reconcile), session.host
    folder = f"{copies_folder(session)}/{project.name}"
    found, left = session.submit(copies), submit_left(host, folder)
    exists = not facts.repos[project.name].problem
    repo = repo_path(facts, project) if exists else ""
    size = submit_size(host, repo) if to_take and repo else Future[int | None](lambda: None)
    container = None
    if project.container:
        check_single(facts, require_containers(session), project)
        container = require_containers(session).by_name.get(project.name)
    volume_pool = "" if session.of(containers).problem else session.of(volumes).get(project.name)
    pools = {pool for pool in (container.pool if container else "", volume_pool) if pool}
    there = session.of(incus)
    drivers = {pool: _submit_driver(there, pool) for pool in pools}
    of_container = there.at("instances", project.name, "snapshots")
    of_volume = there.volume(volume_pool or "", project.name, "snapshots")
    in_container, in_volume = (
        _submit_names(there, path) if asked else Future[tuple[str, ...]](tuple)
        for path, asked in ((of_container, container), (of_volume, volume_pool))
    )
    complete = tuple(found.result().get(project.name, ()))
    return SnapshotFacts(
        name=project.name,
        folder=folder,
        repo=repo,
        repo_bytes=size.result(),
        container=container,
        drivers={pool: answer.result() for pool, answer in drivers.items()},
        volume_pool=volume_pool or "",
        in_container=in_container.result(),
        in_volume=in_volume.result(),
        copies=complete,
        left=left.result(),
    )


def _submit_driver(there: Incus, pool: str) -> Future[str]:
    answer = there.submit(f"/1.0/storage-pools/{quote(pool, safe='')}")
    return answer.then(lambda found: str((found or {}).get("driver", "")))


def _submit_names(there: Incus, path: str) -> Future[tuple[str, ...]]:
    """Ask for the ids of the snapshots at an API path."""

    return there.submit(path).then(lambda urls: own_ids(map(str, urls or [])))


def allow_snapshots(session: Session, facts: SnapshotFacts) -> list[Step]:
    """Return the step that allows snapshots in the Incus project, if they need that."""
    if facts.container is None and not facts.volume_pool:
        return []
    there = session.of(incus)
    homes = {there.homes.of(facts.name)} if facts.container else set[str]()
    homes |= {there.homes.of_volume(facts.name)} if facts.volume_pool else set()
    asked = {home: there.submit(project_path(home)) for home in sorted(homes)}
    return [
        step
        for home, answer in asked.items()
        for step in allow_snapshots_steps(home, (answer.result() or {}).get("config") or {})
    ]


def take_snapshot(
    session: Session, project: Project, *, automatic: bool = False, dry_run: bool = False
) -> None:
    """Take a snapshot of a project, without a question, and remove those that are too many.

    `automatic` is for one of before an agent's session. Raise Refused if nothing of the project can
    be in one, Busy if another command works on it.
    """
    if dry_run or session.dry:
        apply_plan(session, _plan(session, project, automatic=automatic), dry_run=dry_run)
        return
    try:  # not until the session ends, which may run an agent
        with session.host.lock(session.store.lock_path(f"{project.name}.container")):
            # Only now: what another command has not completed before this would seem left by it.
            apply_plan(session, _plan(session, project, automatic=automatic), confirmed=True)
    except Locked as error:
        what = f"another command is working on {project.name}, {error}"
        raise Busy(what, "let it finish") from None


def _plan(session: Session, project: Project, *, automatic: bool) -> Plan:
    facts = snapshot_facts(session, project, to_take=True)
    steps, missing = snapshot_steps(facts, session.now(), automatic=automatic)
    _note_missing(session, missing)
    return Plan([*allow_snapshots(session, facts), *steps], runner=step_runner(session))


def _note_missing(session: Session, missing: Sequence[str]) -> None:
    for sentence in missing:
        session.screen.note(sentence)

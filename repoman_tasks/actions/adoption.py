"""The plan of an adoption, for `adopt` and `status --repair`."""

from __future__ import annotations

from dataclasses import replace

from repoman_tasks.actions.apply import Plan
from repoman_tasks.actions.container_plans import acl_steps, home_steps, step_runner
from repoman_tasks.actions.facts import incus, reconcile, require_containers
from repoman_tasks.actions.hazards import prepare_baseline
from repoman_tasks.actions.project_container import repo_path, spec_of
from repoman_tasks.actions.volumes import VolumeAnswers, find_volume, submit_volume
from repoman_tasks.errors import Failed, UsageError, quoted
from repoman_tasks.hosts.base import Host
from repoman_tasks.model import Project
from repoman_tasks.planning.container.homes import nesting_project
from repoman_tasks.planning.container.lifecycle import adopt_steps
from repoman_tasks.planning.container.spec import (
    Container,
    actual_pool,
    project_from_container,
    with_pool,
)
from repoman_tasks.planning.findings import repo_state
from repoman_tasks.planning.names import check_name, inside, relative_repo
from repoman_tasks.planning.steps import ArrangeUser
from repoman_tasks.session import Session
from repoman_tasks.tools.forbidden_paths import real_paths
from repoman_tasks.tools.incus import Incus

__all__ = ["plan_adoption"]


def plan_adoption(session: Session, name: str, from_project: str = "", repo: str = "") -> Plan:
    """Return the plan to adopt a container; raise UsageError if it can't be adopted."""
    container = _find_container(session, name, from_project)
    facts, host = session.of(reconcile), session.host
    registry, first = facts.registry, session.of(incus).project
    relative = relative_repo(repo, facts.local_repos, host.home) if repo else ""
    stand_in = relative or container.project or name
    original = project_from_container(container, stand_in, session.now())
    original = replace(original, nesting=container.home == nesting_project(first))
    check_name(original.name)
    if original.name != name and not from_project:
        raise UsageError(
            f"{name} was created for the project {original.name}",
            f"rename it with `incus rename`, then run `repoman adopt {quoted(original.name)}`",
        )
    known = registry.project(name)
    project = known or _adopted_project(original, name, relative, from_project)
    path = f"{facts.local_repos}/{project.repo}"
    state = repo_state(path, host.real_folder(path), facts.local_repos)
    if state.problem:
        raise UsageError(f"{path} {state.phrase}", "bring it back, or pass another one with --repo")
    runner, spec = step_runner(session), spec_of(facts, project)
    pool = "" if from_project else actual_pool(container)
    volume = _find_volume(runner.incus, name, pool, spec.home)
    steps = adopt_steps(
        project,
        known,
        registry.projects,
        with_pool(spec, volume.pool),
        container,
        ArrangeUser(project.name, runner.person.name, repo_path(facts, project)),
        from_project,
    )
    rules = acl_steps(registry, runner.incus, replace(project, container=True))
    place = home_steps(session, spec) if from_project else []
    volume_steps = volume.steps(registry.defaults.volume_size)
    plan = Plan([*rules, *place, *volume_steps, *steps], runner=runner)
    known_to_it = _mounts(host, container, path)
    return plan if known_to_it else replace(plan, on_success=prepare_baseline(host, path))


def _find_volume(incus: Incus, name: str, pool: str, home: str) -> VolumeAnswers:
    """Ask for the volume in `pool`; if that is empty, for one that belongs in `home`."""
    return submit_volume(incus, name, pool) if pool else find_volume(incus, name, home)


def _mounts(host: Host, container: Container, repo: str) -> bool:
    """Return True if the container had access to `repo` before its adoption.

    If so, the hazards there must be reported as new: perhaps no person has ever seen them.
    """
    sources = real_paths(host, container.sources)
    return any(inside(source, repo) or inside(repo, source) for source in sources)


def _find_container(session: Session, name: str, from_project: str) -> Container:
    existing = require_containers(session).by_name.get(name)
    if not from_project:
        if existing is None:
            existing = _find_nesting(session.of(incus), name)
        if existing is None:
            raise UsageError(
                f"there is no container {name!r} in the Incus project {session.of(incus).project}",
                "pass --from-project to copy one from another Incus project",
            )
        known = session.of(reconcile).registry.project(name)
        if known is not None and known.container and not existing.half_made:
            cure = f"run `repoman update {quoted(name)}`"
            raise UsageError(f"{name} already has a project", cure)
        return existing
    if existing is not None:
        raise UsageError(
            f"a container called {name} exists already", "rename one of the two with `incus rename`"
        )
    container = Incus(session.host, from_project).container(name)
    if container is None:
        raise Failed(
            f"there is no container {name!r} in the Incus project {from_project}",
            f"choose one of `incus list --project {quoted(from_project)}`",
        )
    return container


def _find_nesting(there: Incus, name: str) -> Container | None:
    """Return the container called `name` of the Incus project that allows nesting, if it is there.

    A registry that was lost does not tell of it.
    """
    return there.submit_containers_in(nesting_project(there.project)).result().get(name)


def _adopted_project(project: Project, name: str, repo: str, from_project: str) -> Project:
    """Return the project to register; profiles and mounts of another Incus project are dropped."""
    if not from_project:
        return project
    return Project(name=name, repo=repo or name, image=project.image, created=project.created)

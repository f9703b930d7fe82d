"""Planning to take a container in: what `adopt` and `status --repair` share."""

from __future__ import annotations

from dataclasses import replace

from repoman_tasks.actions.apply import Plan
from repoman_tasks.actions.container_plans import acl_steps, step_runner
from repoman_tasks.actions.facts import incus, reconcile, require_containers
from repoman_tasks.actions.hazards import prepare_baseline
from repoman_tasks.actions.project_container import repo_of, spec_of
from repoman_tasks.errors import Failed, UsageError
from repoman_tasks.model import Project
from repoman_tasks.planning.container.lifecycle import adopt_steps
from repoman_tasks.planning.container.spec import Container, project_from_container
from repoman_tasks.planning.findings import repo_state
from repoman_tasks.planning.names import check_name, inside, relative_repo
from repoman_tasks.planning.steps import ArrangeUser
from repoman_tasks.session import Session
from repoman_tasks.tools.forbidden_paths import real_paths
from repoman_tasks.tools.incus import Incus

__all__ = ["adoption"]


def adoption(session: Session, name: str, from_project: str = "", repo: str = "") -> Plan:
    """The plan to take the container called `name` in. `UsageError` where it can't be."""
    container = _container(session, name, from_project)
    facts, host = session.of(reconcile), session.host
    registry = facts.registry
    given = relative_repo(repo, facts.local_repos, host.home) if repo else ""
    made_for = project_from_container(container, given or container.project or name, session.now())
    check_name(made_for.name)
    if made_for.name != name and not from_project:
        raise UsageError(
            f"{name} was made for the project {made_for.name}",
            f"`incus rename` gives it its name back, then `repoman adopt {made_for.name}`",
        )
    known = registry.project(name)
    project = known or _plain(made_for, name, given, from_project)
    path = f"{facts.local_repos}/{project.repo}"
    state = repo_state(path, host.real_folder(path), facts.local_repos)
    if state.problem:
        raise UsageError(f"{path} {state.phrase}", "bring it back, or name another one with --repo")
    runner = step_runner(session)
    steps = adopt_steps(
        project,
        known,
        registry.projects,
        spec_of(session, project),
        container,
        ArrangeUser(project.name, runner.person.name, repo_of(session, project)),
        from_project,
    )
    rules = acl_steps(session, replace(project, container=True))
    plan = Plan([*rules, *steps], runner=runner)
    if _had(session, container, path):
        return plan
    return replace(plan, afterwards=prepare_baseline(session, path))


def _had(session: Session, container: Container, repo: str) -> bool:
    """Whether the container could write into `repo` before. Then a person has to be told of what
    is there as of something new: nobody else may have looked at it."""
    sources = real_paths(session.host, container.sources)
    return any(inside(source, repo) or inside(repo, source) for source in sources)


def _container(session: Session, name: str, from_project: str) -> Container:
    here = require_containers(session).by_name.get(name)
    if not from_project:
        if here is None:
            raise UsageError(
                f"no container is called {name!r} in the Incus project {session.of(incus).project}",
                "`--from-project default` takes one from there",
            )
        known = session.of(reconcile).registry.project(name)
        if known is not None and known.container and not here.half_made:
            raise UsageError(f"{name} is in the estate already", f"`repoman update {name}`")
        return here
    if here is not None:
        raise UsageError(
            f"a container called {name} exists already", "rename one of the two with `incus`"
        )
    there = Incus(session.host, from_project).container(name)
    if there is None:
        raise Failed(
            f"no container is called {name!r} in the Incus project {from_project}",
            f"`incus list --project {from_project}` shows those that are",
        )
    return there


def _plain(project: Project, name: str, repo: str, from_project: str) -> Project:
    """A container of another project brings its disk, and neither profiles nor mounts."""
    if not from_project:
        return project
    return Project(name=name, repo=repo or name, image=project.image, created=project.created)

"""`status`: report problems, each with its fix."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from repoman_tasks.actions.drift_repair import repair as mend
from repoman_tasks.actions.facts import (
    addresses,
    backup_share,
    containers,
    fence_facts,
    folders,
    incus,
    person,
    reconcile,
    stored_registry,
)
from repoman_tasks.actions.hazards import mark_seen, repos_of_containers, submit_new_hazards
from repoman_tasks.actions.inside_check import running_projects, submit_inside
from repoman_tasks.actions.network_check import submit_network_check
from repoman_tasks.cli.task import Task, task
from repoman_tasks.errors import ExitCode, RepomanError, TargetUnusable, UsageError
from repoman_tasks.hosts.base import Future
from repoman_tasks.model import Defaults, Project, Registry, keys
from repoman_tasks.planning.container.drift import containers_summary, drift_findings
from repoman_tasks.planning.container.repairs import RepairOptions
from repoman_tasks.planning.fence.fence_facts import FenceFacts
from repoman_tasks.planning.fence.fence_plan import fence_findings
from repoman_tasks.planning.findings import (
    EstateFacts,
    Finding,
    estate_findings,
    no_registry_finding,
)
from repoman_tasks.planning.mirror.excludes import exclude_finding
from repoman_tasks.planning.mirror.sync_plan import find_project
from repoman_tasks.planning.text.grouping import group_findings
from repoman_tasks.planning.text.layout import BAD, GOOD, STRONG, Cell, Column
from repoman_tasks.planning.text.wording import format_toml, plural
from repoman_tasks.session import Session
from repoman_tasks.tools.share import Share


@task(
    pre=[reconcile, containers],
    holds=True,
    positional=["name"],
    many_hosts=True,
    watched_with=["name", "values"],
    help={
        "name": "Name of a project (default: all of them).",
        "values": "Show each setting, its value and where it comes from.",
        "repair": "Ask what to do about each container that does not match the registry.",
        "missing": "Recreate or forget containers that are missing.",
        "orphan": "Adopt or destroy containers that belong to no project.",
        "half_made": "Finish or remove containers whose creation was interrupted.",
        "seen": "Mark what is new in a repo, and would run on this host, as reviewed.",
        "json": "Print JSON.",
    },
    examples={
        "repoman status": "Check this host and all projects",
        "repoman status isurus": "Check one project",
        "repoman status --watch --interval 10": "Check every ten seconds, until Ctrl-C",
        "repoman status --missing recreate": "Recreate containers that were lost",
    },
    exit_codes={
        "3": "there are problems",
        "4": "one of several hosts failed",
        "130": "interrupted, or a prompt was answered with no",
    },
)
def status(
    session: Session,
    name: str | None = None,
    values: bool = False,
    repair: bool = False,
    missing: str = "",
    orphan: str = "",
    half_made: str = "",
    seen: bool = False,
    json: bool = False,
) -> int:
    """Report problems, each with its fix; exits with 3 if there are any."""
    options = RepairOptions(missing, orphan, half_made, repair)
    options.check()
    if (options.requested or seen) and not session.alone:
        raise UsageError("several hosts can only be looked at", "name the one to mend")
    mended = True
    if options.requested:
        mended = mend(session, _drift(session, name), options)
        session.look_again()
    if seen:
        mark_seen(session.host, session.of(reconcile), name)
    _submit(session, name)
    facts = session.of(reconcile)
    found = _findings(session, facts, name)
    share = session.of(backup_share)
    if json:
        session.screen.json(_as_json(session, facts, share, found))
    else:
        if values:
            _show_values(session, facts)
        _show(session, facts, share, found)
    well = mended and not any(f.problem for f in found)
    return ExitCode.OK if well else ExitCode.UNHEALTHY


def _submit(session: Session, name: str | None) -> None:
    """Submit what follows from the registry, before waiting for the first answer."""
    projects = session.of(stored_registry).projects
    asked: list[Task[Future[Any]]] = [reconcile, containers, backup_share]
    asked += [folders] if name is None else []
    asked += [person, fence_facts] if any(project.container for project in projects) else []
    asked += [addresses] if any(project.address for project in projects) else []
    for pre_task in asked:
        session.submit(pre_task)


def _meant(registry: Registry, name: str | None) -> Sequence[Project]:
    return registry.projects if name is None else [find_project(registry, name)]


def _findings(session: Session, facts: EstateFacts, name: str | None) -> list[Finding]:
    projects, drifted = _meant(facts.registry, name), _drift(session, name)
    network, inside = _submit_inside(session, facts, projects, drifted)
    repos, incus_project = repos_of_containers(facts, projects), session.of(incus).project
    whose = Future(partial(session.of, person))
    hazards = submit_new_hazards(session.host, repos, whose, incus_project)

    share = session.of(backup_share)  # along with the answers to all that was submitted
    if facts.registry.missing:
        found = [no_registry_finding(session.store.path)]
    else:
        concerned = name is None or projects[0].backup
        unusable = share if concerned and isinstance(share, TargetUnusable) else None
        problem = (unusable.what, unusable.cure) if unusable else None
        beside = session.of(folders) if name is None else []
        found = estate_findings(
            facts, problem if concerned else None, projects, beside, session.now()
        )
    if any(project.container for project in projects) and not session.of(containers).problem:
        found += _fence(session)
    left_out = [finding for finding in map(exclude_finding, projects) if finding]
    return found + network.result() + left_out + drifted + inside.result() + hazards.result()


def _submit_inside(
    session: Session,
    facts: EstateFacts,
    projects: Sequence[Project],
    drifted: Sequence[Finding],
) -> tuple[Future[list[Finding]], Future[list[Finding]]]:
    """Submit the checks of the network, and inside those containers that run and have no drift."""
    if not any(project.container for project in projects) or session.of(containers).problem:
        return Future(list), Future(list)
    known = {finding.subject for finding in drifted}
    whole = running_projects(session.of(containers), [p for p in projects if p.name not in known])
    network = submit_network_check(session, projects)
    if not whole:
        return network, Future(list)
    there, whose = session.of(incus), session.of(person)
    return network, submit_inside(there, whose, facts.local_repos, whole)


def _drift(session: Session, name: str | None) -> list[Finding]:
    """Return the differences of containers and registry, for one project or all."""
    facts, found = session.of(reconcile), session.of(containers)
    if name is None:
        return drift_findings(facts, found, facts.registry.projects, orphans=True)
    if facts.registry.project(name) is None and name in found.by_name:
        every = drift_findings(facts, found, [], orphans=True)
        return [finding for finding in every if finding.subject == name]
    return drift_findings(facts, found, [find_project(facts.registry, name)], orphans=False)


def _fence(session: Session) -> list[Finding]:
    found = session.of(fence_facts)
    if isinstance(found, RepomanError):
        return [Finding("incus", found.what, found.cure, kind="fence")]
    return fence_findings(found, found.defaults.incus_project)


def _show_values(session: Session, facts: EstateFacts) -> None:
    registry = facts.registry
    rows = [
        (key.name, format_toml(getattr(registry.defaults, key.name)), registry.origins[key.name])
        for key in keys(Defaults)
    ]
    columns = (Column("SETTING"), Column("VALUE", min_width=20), Column("FROM"))
    session.screen.table(columns, rows)
    session.screen.line()


def _show(
    session: Session, facts: EstateFacts, share: Share | TargetUnusable, found: list[Finding]
) -> None:
    screen = session.screen
    for finding in group_findings(found) if screen.columns else found:
        mark = Cell("✗", BAD) if finding.problem else Cell("·")
        subject = Cell(finding.subject, STRONG)
        screen.line(mark, " ", subject, f": {finding.what}", hang=2)
        screen.line(f"    {finding.cure}", hang=4)
    problems = sum(finding.problem for finding in found)
    projects = plural(len(facts.registry.projects), "project")
    if isinstance(share, Share):
        probe = share.probe
        screen.line(f"share: {probe.path}, {probe.free_mib / 1024:.1f} GiB free", hang=2)
    screen.line(f"containers: {_containers(session)}", hang=2)
    verdict = Cell(plural(problems, "problem"), BAD) if problems else Cell("all well", GOOD)
    screen.line(f"{projects}, ", verdict)


def _containers(session: Session) -> str:
    found = session.of(fence_facts) if any(session.of(containers).by_name) else None
    told = containers_summary(session.of(containers))
    if isinstance(found, FenceFacts):
        free = [f"{name} has {pool.free_text} free" for name, pool in found.pools.items()]
        told = ", ".join([told, f"Incus {found.version}", *free])
    return told


def _as_json(
    session: Session, facts: EstateFacts, share: Share | TargetUnusable, found: list[Finding]
) -> dict[str, object]:
    registry = facts.registry
    require_share = isinstance(share, Share)
    return {
        "schema": 1,
        "registry": session.store.path,
        "healthy": not any(finding.problem for finding in found),
        "findings": [vars(finding) for finding in found],
        "share": {
            "usable": require_share,
            "path": registry.defaults.nfs_repos,
            "free_mib": share.probe.free_mib if isinstance(share, Share) else None,
        },
        "containers": containers_summary(session.of(containers)),
        "values": {
            key.name: {
                "value": getattr(registry.defaults, key.name),
                "from": registry.origins[key.name],
            }
            for key in keys(Defaults)
        },
    }

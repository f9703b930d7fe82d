"""`status`: report problems, each with its fix."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Any

from repoman_tasks.actions.drift_repair import repair_drift
from repoman_tasks.actions.facts import (
    addresses,
    backup_share,
    containers,
    copies,
    copies_folder,
    failures,
    fence_facts,
    folders,
    incus,
    mirrors,
    nightly_state,
    person,
    reconcile,
    stored_registry,
    verified,
    volumes,
)
from repoman_tasks.actions.hazards import (
    NewHazards,
    accept_listed,
    list_hazards,
    repos_of_containers,
    submit_new_hazards,
)
from repoman_tasks.actions.inside_check import running_projects, submit_inside
from repoman_tasks.actions.login_check import submit_login_check
from repoman_tasks.actions.mirrors_aside import accept_altered, find_altered
from repoman_tasks.actions.network_check import submit_network_check
from repoman_tasks.actions.template_images import built_images
from repoman_tasks.actions.volumes import find_half_made
from repoman_tasks.cli.task import Task, task
from repoman_tasks.errors import (
    ExitCode,
    RepomanError,
    TargetUnusable,
    UsageError,
    without_backticks,
)
from repoman_tasks.hosts.base import Future
from repoman_tasks.model import Defaults, Project, Registry, keys
from repoman_tasks.planning.container.drift import (
    Containers,
    containers_summary,
    drift_findings,
    is_of_another,
)
from repoman_tasks.planning.container.host_mounts import host_mount_findings
from repoman_tasks.planning.container.repairs import RepairOptions
from repoman_tasks.planning.container.spec import protected_paths
from repoman_tasks.planning.container.template_plan import build_findings
from repoman_tasks.planning.container.templates import has_recipe
from repoman_tasks.planning.container.volume import volume_findings
from repoman_tasks.planning.fence.fence_facts import FenceFacts
from repoman_tasks.planning.fence.fence_plan import fence_findings
from repoman_tasks.planning.findings import (
    EstateFacts,
    Finding,
    estate_findings,
    mirror_findings,
    no_registry_finding,
)
from repoman_tasks.planning.guard_files import Guard, guard_findings
from repoman_tasks.planning.local_snapshots import kept_findings, unowned_findings
from repoman_tasks.planning.mirror.altered_mirrors import altered_findings, aside_findings
from repoman_tasks.planning.mirror.damage import damage_findings, valid_verified
from repoman_tasks.planning.mirror.excludes import exclude_finding
from repoman_tasks.planning.mirror.growth import growth_findings
from repoman_tasks.planning.mirror.left_out import left_out_findings
from repoman_tasks.planning.mirror.restore_plan import partial_findings, partial_places
from repoman_tasks.planning.mirror.snapshots import snapshot_findings
from repoman_tasks.planning.mirror.sync_plan import find_project
from repoman_tasks.planning.nightly_job import gone_finding, overdue_finding
from repoman_tasks.planning.text.grouping import group_findings
from repoman_tasks.planning.text.layout import BAD, GOOD, STRONG, Cell, Column
from repoman_tasks.planning.text.wording import (
    format_age,
    format_size,
    format_toml,
    plural,
    printable_setting,
)
from repoman_tasks.planning.trust.hazard_findings import protect_findings
from repoman_tasks.session import Session
from repoman_tasks.terminal.screen import Screen
from repoman_tasks.tools.file_tree import submit_partial_folders
from repoman_tasks.tools.git_guard_files import submit_guard
from repoman_tasks.tools.nightly_files import submit_in_place
from repoman_tasks.tools.share import Share


@task(
    pre=[reconcile, containers],
    needs_holder=True,
    positional=["name"],
    many_hosts=True,
    watchable_with=["name", "values"],
    help={
        "name": "Name of a project (default: all of them).",
        "values": "Show each setting, its value and where it comes from.",
        "repair": "Ask what to do about each container that does not match the registry.",
        "missing": "Recreate or forget containers that are missing.",
        "orphan": "Adopt or destroy containers that belong to no project.",
        "half_made": "Finish or remove containers whose creation was interrupted.",
        "seen": "Mark what `status NAME` listed as seen; deletes what was kept of its mirror.",
        "json": "Print JSON.",
    },
    examples={
        "repoman status": "Check this host and all projects",
        "repoman status isurus": "Check one project, and list what is new in its repo",
        "repoman status --watch --interval 10": "Check every ten seconds, until Ctrl-C",
        "repoman status --missing recreate": "Recreate containers that were lost",
    },
    exit_codes={
        "3": "there are problems",
        "4": "one of several hosts failed",
        "6": "refused: --seen, but nothing was listed before",
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
        raise UsageError("several hosts can be checked, but not changed", "name one host")
    repaired = True
    if options.requested:
        facts = session.of(reconcile)
        drifted = _drift_findings(facts, session.of(containers), name)
        drifted += _volume_findings(session, facts, name)
        repaired = repair_drift(session, drifted, options)
        session.discard_facts()
    if seen:
        accept_altered(session, name)
        accept_listed(session, name)
    _submit_pre_tasks(session, all_projects=name is None)
    facts = session.of(reconcile)
    findings, hazards = _findings(session, facts, name)
    problems = sum(finding.problem for finding in findings)
    if json:
        session.screen.json(_as_json(session, facts.registry, findings))
    else:
        if values:
            _show_values(session.screen, facts.registry)
        _show_findings(session.screen, findings, in_full=name is not None)
        if name is not None and session.screen.prints:
            list_hazards(session, hazards)
        _show_summary(session, len(facts.registry.projects), problems)
    return ExitCode.OK if repaired and not problems else ExitCode.UNHEALTHY


def _submit_pre_tasks(session: Session, *, all_projects: bool) -> None:
    """Submit the pre-tasks whose facts will be needed, before waiting for any of them."""
    projects = session.of(stored_registry).projects
    pre_tasks: list[Task[Future[Any]]] = [reconcile, containers, failures, verified]
    pre_tasks += [volumes, backup_share, copies]
    pre_tasks += [folders, nightly_state] if all_projects else []
    pre_tasks += [person, fence_facts] if any(project.container for project in projects) else []
    pre_tasks += [addresses] if any(project.address for project in projects) else []
    pre_tasks += [built_images] if any(map(has_recipe, projects)) else []
    for pre_task in pre_tasks:
        session.submit(pre_task)


def _findings(
    session: Session, facts: EstateFacts, name: str | None
) -> tuple[list[Finding], NewHazards]:
    """Return all findings, of the project called `name` or of everything, and the new hazards.

    All requests are submitted before the first answer is awaited.
    """
    projects = facts.registry.projects if name is None else [find_project(facts.registry, name)]
    existing = session.of(containers)
    drifted = _drift_findings(facts, existing, name)
    has_containers = any(project.container for project in projects) and not existing.problem
    logins = submit_login_check(session, facts.registry, projects)
    network, inside = Future[list[Finding]](list), Future[list[Finding]](list)
    if has_containers:
        network = submit_network_check(session, projects)
        inside = _submit_inside(session, facts, projects, drifted)
    hazards = submit_new_hazards(
        session.host,
        repos_of_containers(facts, projects),
        Future(partial(session.of, person)),
        session.of(incus).homes.of,
        instructions=name is not None,
    )
    guard = submit_guard(session.host)
    nightly = _submit_nightly(session) if name is None else Future[list[Finding]](list)
    found = _estate_findings(session, facts, projects, name)
    others = any(is_of_another(one, existing.uid) for one in existing.by_name.values())
    if has_containers or (others and name is None):
        found += _fence_findings(session.of(fence_facts))
    drifted += _volume_findings(session, facts, name)
    builds = _build_findings(session, facts, projects) if has_containers else []
    excludes = [finding for finding in map(exclude_finding, projects) if finding]
    found += logins.result() + network.result() + excludes + drifted + inside.result()
    found += builds
    if name is None:
        found += _shared_findings(session, facts, guard.result())
    found += nightly.result()
    found += protect_findings(projects, guarded=guard.result().present)
    return found + hazards.result().findings, hazards.result()


def _shared_findings(session: Session, facts: EstateFacts, guard: Guard) -> list[Finding]:
    """Return the findings about mirrors, snapshots, the guard for git and folders of no project."""
    found = unowned_findings(session.of(copies), facts.registry)
    share = session.of(backup_share)
    if isinstance(share, Share):
        found += mirror_findings(share.folders, facts.registry)
        found += _aside_findings(session, share, facts.registry)
        found += _snapshot_findings(session, share)
    found += guard_findings(guard, facts.local_repos)
    projects = facts.registry.projects
    places = partial_places(guard.folders, projects, facts.local_repos)
    left = [f"{facts.local_repos}/{folder}" for folder in session.of(folders)]
    left += submit_partial_folders(session.host, places).result()
    return found + partial_findings(left, projects, facts.repos)


def _aside_findings(session: Session, share: Share, registry: Registry) -> list[Finding]:
    """Return the findings about what syncs replaced in mirrors of projects that are gone."""
    known, names = session.of(mirrors).altered.values(), {one.name for one in registry.projects}
    return aside_findings(share.folders, known, names, registry.defaults.nfs_repos)


def _submit_nightly(session: Session) -> Future[list[Finding]]:
    """Ask for the findings about the nightly sync."""
    job = session.of(nightly_state)
    in_place = submit_in_place(session.host, job)

    def wait() -> list[Finding]:
        projects, failed = session.of(stored_registry).projects, session.of(failures)
        found = gone_finding(job, in_place=in_place.result())
        return found or overdue_finding(job, projects, failed, session.now())

    return Future(wait)


def _snapshot_findings(session: Session, share: Share) -> list[Finding]:
    registry, zone = session.of(reconcile).registry, datetime.now().astimezone().tzinfo
    assert zone is not None
    return snapshot_findings(
        *(share.snapshot_names, zone, registry.projects, session.now()),
        registry.defaults.max_age_hours,
    )


def _estate_findings(
    session: Session, facts: EstateFacts, projects: Sequence[Project], name: str | None
) -> list[Finding]:
    """Return the findings about registry, share, repos and mirrors."""
    share = session.of(backup_share)
    if facts.registry.missing:
        return [no_registry_finding(session.store.path)]
    problem = (share.what, share.cure) if isinstance(share, TargetUnusable) else None
    needs_share = name is None or projects[0].backup
    names = session.of(folders) if name is None else []
    problem, failed = problem if needs_share else None, session.of(failures)
    found = estate_findings(facts, problem, projects, names, session.now(), failed)
    for project in projects:
        found += host_mount_findings(facts, project)
        known = valid_verified(project, session.of(verified).get(project.name))
        found += damage_findings(project, known)
        altered, path = find_altered(session, project), facts.registry.defaults.nfs_repos
        found += altered_findings(project, altered, path)
        state = session.of(mirrors).projects.get(project.name)
        found += growth_findings(project, state, session.now())
        found += left_out_findings(project, state)
        found += _kept_findings(session, project.name)
    return found


def _kept_findings(session: Session, name: str) -> list[Finding]:
    """Return the findings about what undo replaced."""
    folder = f"{copies_folder(session)}/{name}"
    return kept_findings(name, session.of(copies).get(name, ()), folder)


def _submit_inside(
    session: Session,
    facts: EstateFacts,
    projects: Sequence[Project],
    drifted: Sequence[Finding],
) -> Future[list[Finding]]:
    """Ask for findings inside the containers that run, have a repo, and have not drifted.

    One that only waits for a restart to make more files read-only is looked into, too.
    """
    subjects = {finding.subject for finding in drifted if finding.kind != "protection"}
    existing = session.of(containers)
    subjects |= {name for name, repo in facts.repos.items() if repo.problem}
    intact = [project for project in projects if project.name not in subjects]
    running = {
        project: protected_paths(existing.by_name[project.name])
        for project in running_projects(existing, intact)
    }
    if not running:
        return Future(list)
    return submit_inside(session.of(incus), session.of(person), facts.local_repos, running)


def _drift_findings(facts: EstateFacts, existing: Containers, name: str | None) -> list[Finding]:
    """Return the drift of all containers, or of that of the project or container called `name`."""
    if name is None:
        return drift_findings(facts, existing, facts.registry.projects, orphans=True)
    if facts.registry.project(name) is None and name in existing.by_name:
        orphans = drift_findings(facts, existing, [], orphans=True)
        return [finding for finding in orphans if finding.subject == name]
    return drift_findings(facts, existing, [find_project(facts.registry, name)], orphans=False)


def _volume_findings(session: Session, facts: EstateFacts, name: str | None) -> list[Finding]:
    if session.of(containers).problem:
        return []
    existing, all_volumes = session.of(containers), session.of(volumes)
    unused = {name: pool for name, pool in all_volumes.items() if name not in existing.by_name}
    there = session.of(incus)
    half_made = find_half_made(there, unused)
    found = volume_findings(facts, existing, all_volumes, half_made, there.homes.of_volume)
    return [finding for finding in found if name in (None, finding.subject)]


def _build_findings(
    session: Session, facts: EstateFacts, projects: Sequence[Project]
) -> list[Finding]:
    """Return the findings about containers that come from older builds of their templates."""
    names = [project.name for project in projects if has_recipe(project)]
    if not names:
        return []
    by_name, images = session.of(containers).by_name, session.of(built_images)
    return build_findings(facts.registry, names, by_name, images)


def _fence_findings(fence: FenceFacts | RepomanError) -> list[Finding]:
    if isinstance(fence, RepomanError):
        return [Finding("incus", fence.what, fence.cure, kind="fence")]
    return fence_findings(fence, fence.defaults.incus_project)


def _setting(registry: Registry, name: str) -> object:
    return printable_setting(getattr(registry.defaults, name))


def _show_values(screen: Screen, registry: Registry) -> None:
    rows = [
        (key.name, format_toml(_setting(registry, key.name)), registry.origins[key.name])
        for key in keys(Defaults)
    ]
    columns = (Column("SETTING"), Column("VALUE", min_width=20), Column("FROM"))
    screen.table(columns, rows)
    screen.line()


def _show_findings(screen: Screen, findings: list[Finding], *, in_full: bool) -> None:
    """Print findings; `in_full` with all items of each."""
    for finding in group_findings(findings) if screen.columns else findings:
        mark = Cell("✗", BAD) if finding.problem else Cell("·")
        subject = Cell(without_backticks(finding.subject), STRONG)
        screen.line(mark, " ", subject, f": {finding.what}", hang=2)
        for item in finding.items if in_full else ():
            screen.line(f"    - {without_backticks(item)}")
        screen.line(f"    {finding.cure}", hang=4)


def _show_summary(session: Session, projects: int, problems: int) -> None:
    screen, share, existing = session.screen, session.of(backup_share), session.of(containers)
    if isinstance(share, Share):
        probe = share.probe
        screen.line(f"share: {probe.path}, {format_size(probe.free_mib << 20)} free", hang=2)
        if proven := _format_verified(session):
            screen.line(f"verified: {proven}", hang=2)
    fence = session.of(fence_facts) if existing.by_name else None
    screen.line(f"containers: {_format_containers(existing, fence)}", hang=2)
    verdict = Cell(plural(problems, "problem"), BAD) if problems else Cell("all well", GOOD)
    screen.line(f"{plural(projects, 'project')}, ", verdict)


def _format_verified(session: Session) -> str:
    """Return how many mirrors were proven as a whole, and when the first; empty if none was."""
    known, facts = session.of(verified), session.of(reconcile)
    backed_up = [project for project in facts.registry.projects if project.backup]
    times = [
        valid_verified(project, known.get(project.name)).last_verified for project in backed_up
    ]
    proven = sorted(filter(None, times))
    if not proven:
        return ""
    first = format_age(proven[0], session.now())
    return f"{len(proven)} of {plural(len(backed_up), 'mirror')}, the first {first}"


def _format_containers(existing: Containers, fence: FenceFacts | RepomanError | None) -> str:
    """Return the numbers of containers by state; with facts, also version and free space."""
    summary = containers_summary(existing)
    if not isinstance(fence, FenceFacts):
        return summary
    pools = [f"{name} has {pool.free_text} free" for name, pool in fence.pools.items()]
    return ", ".join([summary, f"Incus {fence.version}", *pools])


def _as_json(session: Session, registry: Registry, findings: list[Finding]) -> dict[str, object]:
    share = session.of(backup_share)
    return {
        "schema": 1,
        "registry": session.store.path,
        "healthy": not any(finding.problem for finding in findings),
        "findings": [vars(finding) for finding in findings],
        "share": {
            "usable": isinstance(share, Share),
            "path": registry.defaults.nfs_repos,
            "free_mib": share.probe.free_mib if isinstance(share, Share) else None,
        },
        "mirrors": [_mirror_as_json(session, project) for project in registry.projects],
        "containers": containers_summary(session.of(containers)),
        "values": {
            key.name: {
                "value": _setting(registry, key.name),
                "from": registry.origins[key.name],
            }
            for key in keys(Defaults)
        },
    }


def _mirror_as_json(session: Session, project: Project) -> dict[str, object]:
    known = valid_verified(project, session.of(verified).get(project.name))
    return {
        "project": project.name,
        "last_sync": project.last_sync or None,
        "last_verified": known.last_verified or None,
        "proven": known.proven,
        "damaged": list(known.damaged),
    }

"""`list`: a table of the projects."""

from __future__ import annotations

from repoman_tasks.actions.agent_runs import find_sessions
from repoman_tasks.actions.facts import (
    addresses,
    containers,
    copies,
    failures,
    reconcile,
    stored_registry,
    verified,
)
from repoman_tasks.cli.task import task
from repoman_tasks.errors import Failed, without_backticks
from repoman_tasks.late_dataclass import dataclass
from repoman_tasks.model import Defaults, Failure, Project, Verified
from repoman_tasks.planning.container.agent_sessions import AGENT_STYLES, AgentSession
from repoman_tasks.planning.container.drift import (
    Containers,
    container_state,
    containers_summary,
    drift_findings,
)
from repoman_tasks.planning.container.spec import IMAGE_TAG
from repoman_tasks.planning.container.templates import IMAGE_PREFIX
from repoman_tasks.planning.findings import (
    EstateFacts,
    Finding,
    RepoState,
    failure_finding,
    failure_word,
    mirror_is_old,
)
from repoman_tasks.planning.local_snapshots import kept_note
from repoman_tasks.planning.mirror.attempts import reportable
from repoman_tasks.planning.mirror.damage import valid_verified
from repoman_tasks.planning.text.grouping import group_findings
from repoman_tasks.planning.text.layout import BAD, FAINT, GOOD, Cell, Column
from repoman_tasks.planning.text.wording import format_age
from repoman_tasks.session import Session


@task(
    name="list",
    pre=[reconcile, containers, failures, verified, copies],
    many_hosts=True,
    help={"json": "Print JSON."},
    examples={
        "repoman list": "List the projects",
        "repoman list --host nas,desk": "List those of two hosts",
        "repoman list --json": "Print JSON for a script",
    },
    exit_codes={
        "4": "one of several hosts failed",
    },
)
def list_(session: Session, json: bool = False) -> None:
    """List the projects: state, address, agent, last sync, repo and image."""
    if any(project.container for project in session.of(stored_registry).projects):
        session.submit(addresses)
    facts, existing = session.of(reconcile), session.of(containers)
    screen, now = session.screen, session.now()
    agents = {one.project: one for one in find_sessions(session, facts.registry.projects)}
    ips = _addresses(session, existing)
    failed = {p.name: reportable(p, session.of(failures)) for p in facts.registry.projects}
    rows = [
        _row(
            *(facts, p, existing, ips, agents.get(p.name)),
            *(failed[p.name], session.of(verified).get(p.name)),
            kept_note(session.of(copies).get(p.name, ())),
        )
        for p in facts.registry.projects
    ]
    if json:
        screen.json({"schema": 1, "projects": [_as_json(row) for row in rows]})
        return
    if rows:
        screen.table(*_table(rows, now, facts.registry.defaults))
    elif facts.registry.missing:
        screen.note("No registry yet: `repoman setup` creates one.")
    else:
        screen.note("No projects yet: `repoman new NAME` creates one.")
    for finding in [*_failed(rows, now), *drift_findings(facts, existing, (), orphans=True)]:
        screen.note(f"{finding.subject}: {finding.what}: {finding.cure}", hang=2)
    if existing.by_name or any(project.container for project in facts.registry.projects):
        screen.note(f"containers: {containers_summary(existing)}")


@dataclass(frozen=True)
class _Row:
    project: Project
    repo: RepoState
    state: str
    ip: str
    agent: AgentSession | None
    image: str
    notes: list[str]
    failure: Failure | None
    verified: Verified


def _addresses(session: Session, existing: Containers) -> dict[str, str]:
    """Return the IPv4 addresses by project; none if no container runs or Incus can't tell."""
    if not any(container.running for container in existing.by_name.values()):
        return {}
    try:
        return session.of(addresses)
    except Failed:
        return {}


def _failed(rows: list[_Row], now: str) -> list[Finding]:
    """Return the findings about last syncs that failed, those of many projects as one."""
    return group_findings(
        [
            failure_finding(row.project, row.failure, now)
            for row in rows
            if row.failure and not row.repo.problem
        ]
    )


def _row(
    facts: EstateFacts,
    project: Project,
    existing: Containers,
    ips: dict[str, str],
    agent: AgentSession | None,
    failure: Failure | None,
    proven: Verified | None,
    kept: str,
) -> _Row:
    repo, name = facts.repos[project.name], project.name
    notes = [f"repo {repo.problem}"] if repo.problem else []
    if not existing.problem:  # else the line below the table has it
        notes += [f.what for f in drift_findings(facts, existing, [project], orphans=False)]
    notes += [kept] if kept else []
    container = existing.by_name.get(name) if project.container else None
    actual_image = container.config.get(IMAGE_TAG, "") if container else ""
    image = actual_image or project.requested_image or project.image
    if image.startswith(IMAGE_PREFIX):
        image = f"template {project.template}" if project.template else project.image
    state = container_state(project, existing)
    known = valid_verified(project, proven)
    return _Row(project, repo, state, ips.get(name, ""), agent, image, notes, failure, known)


_COLUMNS = (
    Column("NAME"),
    Column("STATE"),
    Column("IP", drop_order=4),
    Column("AGENT", drop_order=7),
    Column("LAST SYNC", drop_order=5),
    Column("VERIFIED", drop_order=2),
    Column("REPO", min_width=14, drop_order=3),
    Column("IMAGE", min_width=14, drop_order=1),
    Column("NOTES", min_width=24, drop_order=6),
)
_OPTIONAL_COLUMNS = ("IP", "AGENT", "VERIFIED", "IMAGE", "NOTES")
"""Columns that are left out if all their values are empty."""
_STATE_STYLES = {"running": GOOD, "stopped": "", "frozen": "", "no container": FAINT, "unknown": ""}
"""Styles of the states that are no problem."""


def _table(rows: list[_Row], now: str, defaults: Defaults) -> tuple[list[Column], list[list[Cell]]]:
    """Return the columns and the cells of each row."""
    lines = [_cells(row, now, defaults) for row in rows]
    shown = [
        index
        for index, column in enumerate(_COLUMNS)
        if column.head not in _OPTIONAL_COLUMNS or any(line[index].text for line in lines)
    ]
    return [_COLUMNS[i] for i in shown], [[line[i] for i in shown] for line in lines]


def _cells(row: _Row, now: str, defaults: Defaults) -> tuple[Cell, ...]:
    return (
        Cell(row.project.name),
        Cell(row.state, _STATE_STYLES.get(row.state, BAD)),
        Cell(without_backticks(row.ip)),
        _agent(row.agent),
        _sync_age(row, now, defaults),
        _verified_age(row.verified, now),
        Cell(row.repo.path, BAD if row.repo.problem else ""),
        Cell(without_backticks(row.image)),
        Cell("; ".join(row.notes)),
    )


def _agent(agent: AgentSession | None) -> Cell:
    if agent is None:
        return Cell("")
    return Cell(f"{agent.agent} {agent.state}", AGENT_STYLES.get(agent.state, ""))


def _sync_age(row: _Row, now: str, defaults: Defaults) -> Cell:
    project, failure = row.project, row.failure
    if not project.backup:
        return Cell("no backup", FAINT)
    age = format_age(project.last_sync, now)
    if failure:
        return Cell(f"{age}, then {failure_word(failure)}", BAD)
    return Cell(age, BAD if mirror_is_old(project, defaults, now) else "")


def _verified_age(verified: Verified, now: str) -> Cell:
    """Return when all was last proven, else what part is."""
    if verified.damaged:
        return Cell("damaged", BAD)
    if verified.last_verified:
        return Cell(format_age(verified.last_verified, now))
    return Cell(f"{verified.proven} %" if verified.proven else "")


def _as_json(row: _Row) -> dict[str, object]:
    project = row.project
    return {
        "name": project.name,
        "state": row.state,
        "ip": row.ip or None,
        "repo": row.repo.path,
        "image": row.image or None,
        "agent": row.agent.agent if row.agent else None,
        "agent_state": row.agent.state if row.agent else None,
        "backup": project.backup,
        "container": project.container,
        "created": project.created or None,
        "last_sync": project.last_sync or None,
        "failed_at": row.failure.time if row.failure else None,
        "error": row.failure.error if row.failure else None,
        "last_verified": row.verified.last_verified or None,
        "proven": row.verified.proven,
        "damaged": list(row.verified.damaged),
        "notes": row.notes,
    }

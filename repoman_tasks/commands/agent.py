"""`agent`: run an agent in a project's container, list and stop those that run."""

from __future__ import annotations

from repoman_tasks.actions.agent_alerts import check_agent_alerts, tell_agents
from repoman_tasks.actions.agent_runs import find_sessions, run_agent, stop_agent
from repoman_tasks.actions.facts import containers, person, reconcile, repo_identities
from repoman_tasks.cli.task import task
from repoman_tasks.errors import UsageError
from repoman_tasks.planning.container.agent_sessions import (
    AGENT_STYLES,
    STATES,
    AgentRequest,
    AgentSession,
    check_agent_words,
)
from repoman_tasks.planning.container.drift import containers_summary
from repoman_tasks.planning.text.layout import Cell, Column
from repoman_tasks.planning.text.wording import format_age
from repoman_tasks.session import Session
from repoman_tasks.wizards.project_choice import ask_agent


@task(
    wizard=ask_agent,
    pre=[reconcile, containers, person, repo_identities],
    positional=["name"],
    greedy=True,
    takes_argv=True,
    many_hosts=True,
    watchable_with=["name", "tell"],
    help={
        "name": "Name of the project (default: the one whose repo you are in); or list; or stop, "
        "then the name.",
        "with_": "Agent to run: one of the registry's, or a built-in one (default: that of the "
        "last session).",
        "new": "Begin a session; fail if one runs.",
        "resume": "Resume the last session, by the agent's own option.",
        "detach": "Start it and return.",
        "no_snapshot": "Take no snapshot before a session begins.",
        "json": "Print JSON; for list.",
        "tell": "Tell [alerts] what has changed since it was last told; for list.",
    },
    examples={
        "repoman agent isurus": "Start an agent, or attach to the one that runs",
        "repoman agent isurus -- 'fix the tests'": "Start it with a prompt",
        "repoman agent isurus --resume": "Resume the session of before a reboot",
        "repoman agent list --watch --tell": "Watch who works and who waits, and tell your phone",
    },
    exit_codes={
        "4": "another command is working on the project, or one of several hosts failed",
        "6": "refused: the container is stopped and its repo is missing",
        "125": "the container could not be entered",
    },
)
def agent(
    session: Session,
    name: list[str],
    with_: str | None = None,
    new: bool = False,
    resume: bool = False,
    detach: bool = False,
    no_snapshot: bool = False,
    json: bool = False,
    tell: bool = False,
) -> int:
    """Run an agent in a project's container, with full permissions there.

    It runs in a terminal of its own, which outlives your connection: run the same command again to
    attach to it, and press Ctrl-b d to leave it running. A container that is stopped is started.
    Before a session begins, a snapshot is taken, to which `undo` goes back.
    """
    given = {"--with": with_, "--new": new, "--resume": resume, "--detach": detach}
    given |= {"--no-snapshot": no_snapshot}
    options = [option for option, value in given.items() if value]
    options += ["--"] if session.argv else []
    action = check_agent_words(name, options=options, lists=json or tell)
    if action == "list":
        _list(session, json=json, tell=tell)
        return 0
    if session.watched:
        raise UsageError("--watch needs list", "run `repoman agent list --watch`")
    if not session.alone:
        raise UsageError("an agent is run and stopped on one host at a time", "name one")
    if action == "stop":
        stop_agent(session, name[1] if name[1:] else None)
        return 0
    request = AgentRequest(with_ or "", new, resume, session.argv, not no_snapshot)
    return run_agent(session, name[0] if name else None, request, detach=detach)


def _list(session: Session, *, json: bool, tell: bool) -> None:
    """Print the last session of each container that had one, and tell changes if requested."""
    existing, screen = session.of(containers), session.screen
    alerts = check_agent_alerts(session) if tell else None
    found = find_sessions(session, session.of(reconcile).registry.projects)
    document = {"schema": 1, "agents": [_as_json(one) for one in found]}
    if alerts:
        tell_agents(session, alerts, found, document)
    if json:
        screen.json(document)
        return
    if found:
        columns = [Column("PROJECT"), Column("AGENT"), Column("SINCE"), Column("STATE")]
        screen.table(columns, [_row(one, session.now()) for one in found])
    elif not existing.problem:
        screen.note("No agent has run yet: `repoman agent NAME` starts one.")
    if existing.problem:
        screen.note(f"containers: {containers_summary(existing)}")


def _row(one: AgentSession, now: str) -> list[Cell]:
    style = AGENT_STYLES.get(one.state, "")
    since = format_age(one.since, now)
    return [Cell(one.project), Cell(one.agent), Cell(since), Cell(STATES[one.state], style)]


def _as_json(one: AgentSession) -> dict[str, str]:
    return {
        "project": one.project,
        "agent": one.agent,
        "since": one.since,
        "state": one.state,
    }

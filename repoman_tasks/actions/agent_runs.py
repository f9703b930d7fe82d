"""Runs, lists and stops the agents in containers, for `agent` and `list`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from repoman_tasks.actions.container_entry import (
    read_secrets,
    ready_project,
    repo_identity,
    terminal_settings,
)
from repoman_tasks.actions.facts import containers, incus, person, reconcile, stored_registry
from repoman_tasks.actions.project_container import (
    repo_path,
    require_container,
    resolve_project,
)
from repoman_tasks.errors import Interrupted, RepomanError, UsageError, quoted
from repoman_tasks.hosts.base import Future
from repoman_tasks.model import Project
from repoman_tasks.planning.container.agent_sessions import (
    AGENT_TAG,
    AgentRequest,
    AgentSession,
    agent_argv,
    check_running,
    recorded_session,
    session_tag,
)
from repoman_tasks.planning.container.agents import Agent, default_agent, named_agent
from repoman_tasks.planning.mirror.sync_plan import check_registry
from repoman_tasks.session import Session
from repoman_tasks.tools.agent_terminal import (
    attach_argv,
    check_installed,
    start_session,
    stop_session,
    submit_agent_state,
)
from repoman_tasks.tools.guest import GuestHandle, stage_secrets

__all__ = ["find_sessions", "run_agent", "stop_agent"]

_RUNNING = ("works", "waits", "done")


def find_sessions(session: Session, projects: Sequence[Project]) -> list[AgentSession]:
    """Return the last session of each of `projects` that had one, with its state as it is now."""
    known = session.of(containers).by_name
    found = [
        recorded
        for project in projects
        if project.container
        and (recorded := recorded_session(project.name, known.get(project.name)))
    ]
    states = {
        one.project: submit_agent_state(_handle(session, one.project))
        for one in found
        if known[one.project].running
    }
    stopped = Future(lambda: "stopped")
    return [replace(one, state=states.get(one.project, stopped).result()) for one in found]


def _handle(session: Session, name: str) -> GuestHandle:
    return GuestHandle(session.of(incus), name, session.of(person))


def run_agent(session: Session, name: str | None, request: AgentRequest, *, detach: bool) -> int:
    """Start an agent in the container of a project, unless it runs, and attach to it.

    Return the exit code. With `detach`, do not attach.
    """
    registry = session.of(stored_registry)
    check_registry(registry)
    if not (detach or session.screen.live):
        raise UsageError("agent needs a terminal", "start it without one by --detach")
    if request.agent:
        named_agent(request.agent, registry.agents)
    project, _ = ready_project(session, name, session.host.folder, "agent")
    handle = _handle(session, project.name)
    recorded = recorded_session(project.name, session.of(containers).by_name.get(project.name))
    runs = submit_agent_state(handle).result() in _RUNNING
    last = recorded.agent if recorded else ""
    agent = named_agent(request.agent or last or default_agent(registry.defaults), registry.agents)
    current = recorded or AgentSession(project.name, agent.name, session.now())
    if runs:
        check_running(current, request)
    else:
        if recorded and not (request.new or request.resume):
            _offer_resume(session, recorded)
        _start(session, handle, project, agent, request)
    if not runs or recorded is None:
        tag = session_tag(agent.name, session.now())
        session.of(incus).set_config(project.name, {AGENT_TAG: tag})
    how = "runs already" if runs else "runs"
    if detach:
        attach = f"attach with `repoman agent {quoted(project.name)}`"
        session.screen.note(f"{agent.name} {how} in {project.name}: {attach}")
        return 0
    return _attach(session, handle, agent.name)


def _offer_resume(session: Session, last: AgentSession) -> None:
    """Say that a new session begins, and that the last one can be resumed."""
    resume = f"`repoman agent {quoted(last.project)} --resume`"
    session.screen.note(f"begins a new session of an agent; {resume} resumes the last one")


def _take_snapshot(session: Session, project: Project) -> None:
    """Take a snapshot, and say how to go back; an agent begins without one if that fails."""
    from repoman_tasks.actions.snapshot_plans import take_snapshot  # late: `list` takes none

    try:
        take_snapshot(session, project, automatic=True)
    except Interrupted:
        raise
    except RepomanError as problem:
        session.screen.note(f"undo can't take back what follows, there is no snapshot: {problem}")
    else:
        session.screen.note(f"`repoman undo {quoted(project.name)}` goes back to what is there now")


def _start(
    session: Session, handle: GuestHandle, project: Project, agent: Agent, request: AgentRequest
) -> None:
    argv = agent_argv(agent, request)
    repo = repo_path(session.of(reconcile), project)
    outside = (repo, repo_identity(session, project))
    if request.snapshot:
        check_installed(handle, repo, agent.name, argv[0], outside=outside)
        _take_snapshot(session, project)
    variables = read_secrets(session, project)
    start_session(
        *(handle, repo, agent.name, argv),
        lang=terminal_settings(session)[1],
        secrets=stage_secrets(handle, variables, repo) if variables else "",
        outside=outside,
    )


def _attach(session: Session, handle: GuestHandle, agent: str) -> int:
    """Show the session until it is left or ends, and say which; return the exit code."""
    terminal, lang = terminal_settings(session)
    code = 1
    try:
        code = session.host.hand_over(attach_argv(handle, terminal=terminal, lang=lang))
    finally:
        if code:  # the connection was lost, and tmux could not put the terminal back
            session.screen.reset()
    if submit_agent_state(handle).result() in _RUNNING:
        what, cure = "goes on", f"`repoman agent {quoted(handle.name)}` attaches again"
    else:
        what, cure = "has ended", f"`repoman agent {quoted(handle.name)} --resume` resumes it"
    session.screen.note(f"{agent} {what} in {handle.name}: {cure}")
    return code if code >= 0 else 128 - code


def stop_agent(session: Session, name: str | None) -> None:
    """End the session in the container of a project, if there is one."""
    facts = session.of(reconcile)
    project, _ = resolve_project(facts, name, session.host.folder, "agent stop")
    container = require_container(facts, session.of(containers), project)
    handle = _handle(session, project.name)
    state = submit_agent_state(handle).result() if container.running else "stopped"
    if state == "stopped":
        session.screen.note(f"no agent runs in {project.name}")
        return
    stop_session(handle)
    recorded = recorded_session(project.name, container)
    agent = recorded.agent if recorded else "the agent"
    again = f"`repoman agent {quoted(project.name)} --resume` resumes it"
    session.screen.note(f"stopped {agent} in {project.name}: {again}")

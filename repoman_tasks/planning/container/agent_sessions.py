"""Sessions of agents in containers: their records, their states, and requests for them. Pure.

A session is recorded by a tag of its container, which nobody inside can write. What tmux says in
there may be forged: it is parsed strictly, and all that it can change is one of STATES.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from repoman_tasks.errors import UsageError, quoted
from repoman_tasks.late_dataclass import dataclass
from repoman_tasks.planning.container.agents import Agent
from repoman_tasks.planning.container.spec import Container
from repoman_tasks.planning.text.layout import BAD, GOOD

__all__ = [
    "AGENT_STYLES",
    "AGENT_TAG",
    "STATES",
    "AgentRequest",
    "AgentSession",
    "agent_argv",
    "check_agent_words",
    "check_running",
    "recorded_session",
    "session_tag",
    "stated",
]

AGENT_TAG = "user.repoman.agent"
"""Key in a container's configuration that names the agent of its last session, and its begin."""
STATES = {
    "works": "works",
    "waits": "waits for you",
    "done": "is done",
    "stopped": "stopped, can be resumed",
    "unknown": "unknown",
}
"""The states of a session by their names in JSON, as a person reads them."""
AGENT_STYLES = {"works": GOOD, "waits": BAD}
"""Styles of the states in a table; one that waits needs somebody."""

_SILENT_SECONDS = 10
"""Time without output after which an agent without hooks is taken to be done."""
_STALE_SECONDS = 60
"""Time without output after which one that says that it works is taken to wait: Claude Code tells
no hook that its user has interrupted it, and it draws while it works."""
_BELL_SECONDS = 2
"""An agent may still draw for as long after the bell by which it calls its user."""
_TAG = re.compile(r"([A-Za-z][A-Za-z0-9-]{0,30}) ([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}Z)")
_ANSWER = re.compile(r"([0-9]{1,12})\|([0-9]{0,12})\|(works|waits|done)?\n([0-9]{1,12})\n")


@dataclass(frozen=True)
class AgentRequest:
    """Request to run an agent in a container."""

    agent: str = ""
    """Name of the agent; empty for the one of the last session, or the default."""
    new: bool = False
    resume: bool = False
    words: tuple[str, ...] = ()
    """Arguments for the agent."""
    snapshot: bool = True
    """True if a snapshot of the project is taken before a session begins."""


@dataclass(frozen=True)
class AgentSession:
    """The last session of an agent in a container."""

    project: str
    agent: str
    since: str
    """When it began (UTC)."""
    state: str = "stopped"
    """One of STATES."""


def check_agent_words(words: Sequence[str], *, options: Sequence[str], lists: bool) -> str:
    """Return the action that the words after `agent` name: list, stop or run.

    `options` are the names of options in use that are only for a run; with `lists` one is in use
    that is only for list. Raise UsageError for words and options that do not go together.
    """
    action = words[0] if words[:1] and words[0] in ("list", "stop") else "run"
    allowed = {"list": 1, "stop": 2, "run": 1}[action]
    if len(words) > allowed:
        raise UsageError(
            f"unexpected argument {words[allowed]!r}", "put what the agent is to get after --"
        )
    if action != "run" and options:
        raise UsageError(f"{options[0]} can't be combined with {action}", "leave it out")
    if action != "list" and lists:
        raise UsageError("--json and --tell need list", "run `repoman agent list`")
    if "--new" in options and "--resume" in options:
        raise UsageError("--new and --resume can't be combined", "choose one")
    return action


def session_tag(agent: str, now: str) -> str:
    """Return the value of AGENT_TAG for a session that begins `now`."""
    return f"{agent} {now}"


def recorded_session(project: str, container: Container | None) -> AgentSession | None:
    """Return the last session in a container, as a stopped one; None if it had none."""
    tag = _TAG.fullmatch(container.config.get(AGENT_TAG, "")) if container else None
    return AgentSession(project, tag[1], tag[2]) if tag else None


def stated(answer: str) -> str:
    """Return the state of a session by the answer from inside its container.

    The answer has the times, in seconds, of the last output and the last bell, then what the
    agent told, then the present time. It is empty if there is no session.
    """
    if not answer:
        return "stopped"
    found = _ANSWER.fullmatch(answer)
    if found is None:
        return "unknown"
    active, bell, told, now = int(found[1]), int(found[2] or 0), found[3], int(found[4])
    if told:
        return "waits" if told == "works" and now - active >= _STALE_SECONDS else told
    if bell and active - bell <= _BELL_SECONDS:
        return "waits"
    return "done" if now - active >= _SILENT_SECONDS else "works"


def check_running(session: AgentSession, request: AgentRequest) -> None:
    """Raise UsageError if `request` is for another session than the one that runs."""
    other = request.agent not in ("", session.agent)
    if request.new or request.words or other:
        raise UsageError(
            f"{session.agent} runs in {session.project} already",
            f"attach with `repoman agent {quoted(session.project)}`, "
            f"or end it with `repoman agent stop {quoted(session.project)}`",
        )


def agent_argv(agent: Agent, request: AgentRequest) -> list[str]:
    """Return the argv that starts `agent`; raise UsageError if it can't do what is requested."""
    if request.resume and not agent.resume:
        raise UsageError(f"{agent.name} can't resume a session", "leave out --resume")
    return [*(agent.resume if request.resume else agent.command), *agent.hooks, *request.words]

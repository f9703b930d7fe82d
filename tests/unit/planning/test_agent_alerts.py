"""Alerts about agents: one for each change."""

from __future__ import annotations

import pytest

from repoman_tasks.planning.alert_text import agent_alert, told_states
from repoman_tasks.planning.container.agent_sessions import AgentSession


def session(state: str, project: str = "isurus") -> AgentSession:
    return AgentSession(project, "claude", "2026-11-28T01:02:03Z", state)


@pytest.mark.parametrize("before", ["works", "waits", "done", "stopped", None])
@pytest.mark.parametrize("state", ["works", "waits", "done", "stopped", "unknown"])
def test_only_a_change_to_a_state_that_needs_somebody_is_told(
    before: str | None, state: str
) -> None:
    told = {} if before is None else {"isurus": before}
    alert = agent_alert("desk", told, [session(state)])
    changed = state != before and (before, state) != (None, "stopped")
    assert (alert is not None) is (state in ("waits", "done", "stopped") and changed)


def test_the_text() -> None:
    alert = agent_alert("desk", {}, [session("waits")])
    assert alert is not None
    assert alert.title == "repoman on desk: claude in isurus: waits for you"
    assert (alert.text, alert.bad) == ("claude in isurus: waits for you", True)
    alert = agent_alert("desk", {}, [session("done"), session("works", "a"), session("done", "b")])
    assert alert is not None
    assert alert.title == "repoman on desk: 2 agents"
    assert alert.text == "claude in isurus: is done\nclaude in b: is done"
    assert not alert.bad


def test_what_is_remembered() -> None:
    found = [session("works"), session("unknown", "a"), session("unknown", "b")]
    told = {"isurus": "done", "a": "waits", "gone": "done"}
    assert told_states(told, found) == {"isurus": "works", "a": "waits", "b": "stopped"}
    assert agent_alert("desk", told_states(told, found), found) is None

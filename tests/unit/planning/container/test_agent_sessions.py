"""Sessions of agents: what their tags and answers mean, and which requests fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from repoman_tasks.errors import UsageError
from repoman_tasks.planning.container.agent_sessions import (
    AGENT_TAG,
    STATES,
    AgentRequest,
    AgentSession,
    agent_argv,
    check_agent_words,
    check_running,
    recorded_session,
    session_tag,
    stated,
)
from repoman_tasks.planning.container.agents import Agent
from repoman_tasks.planning.container.spec import Container

NOW = "2026-11-28T01:02:03Z"
BARE = Container("isurus", "running", {}, {}, ())
RUNNING = AgentSession("isurus", "claude", NOW, "works")


def test_the_tag_holds_agent_and_time() -> None:
    tagged = replace(BARE, config={AGENT_TAG: session_tag("claude", NOW)})
    assert recorded_session("isurus", tagged) == AgentSession("isurus", "claude", NOW, "stopped")


@pytest.mark.parametrize(
    "tag", ["", "claude", f"claude {NOW} more", f"\x1b[31m {NOW}", "claude yesterday", f"-x {NOW}"]
)
def test_a_tag_of_another_form_is_none(tag: str) -> None:
    assert recorded_session("isurus", replace(BARE, config={AGENT_TAG: tag})) is None
    assert recorded_session("isurus", None) is None


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        ("", "stopped"),
        ("100||\n100\n", "works"),
        ("100||\n109\n", "works"),
        ("100||\n110\n", "done"),
        ("100|100|\n500\n", "waits"),
        ("102|100|\n102\n", "waits"),
        ("103|100|\n103\n", "works"),
        ("103|100|\n113\n", "done"),
        ("100||works\n159\n", "works"),
        ("100||works\n160\n", "waits"),
        ("100||waits\n100\n", "waits"),
        ("100|100|done\n900\n", "done"),
        ("100||\n90\n", "works"),  # the clock was set back
        # forged
        ("100||idle\n100\n", "unknown"),
        ("100||works\n\x1b[31m\n100\n", "unknown"),
        ("100||works\n100\n100\n", "unknown"),
        ("1" * 13 + "||\n100\n", "unknown"),
        ("||\n100\n", "unknown"),
        ("\u0661||\n100\n", "unknown"),
        ("100||works\n100", "unknown"),
        ("no server running\n", "unknown"),
    ],
)
def test_the_state_by_the_answer(answer: str, state: str) -> None:
    assert stated(answer) == state
    assert state in STATES


@pytest.mark.parametrize(
    ("words", "action"),
    [([], "run"), (["a"], "run"), (["list"], "list"), (["stop"], "stop"), (["stop", "a"], "stop")],
)
def test_the_action(words: list[str], action: str) -> None:
    assert check_agent_words(words, options=[], lists=False) == action


@pytest.mark.parametrize(
    ("words", "options", "lists", "says"),
    [
        (["a", "b"], [], False, "unexpected argument 'b'"),
        (["list", "a"], [], False, "unexpected argument 'a'"),
        (["stop", "a", "b"], [], False, "unexpected argument 'b'"),
        (["list"], ["--with"], False, "--with can't be combined with list"),
        (["stop", "a"], ["--new"], False, "--new can't be combined with stop"),
        (["list"], ["--"], False, "-- can't be combined with list"),
        (["a"], [], True, "--json and --tell need list"),
        (["stop"], [], True, "--json and --tell need list"),
        (["a"], ["--new", "--resume"], False, "--new and --resume can't be combined"),
    ],
)
def test_words_that_do_not_go_together(
    words: list[str], options: Sequence[str], lists: bool, says: str
) -> None:
    with pytest.raises(UsageError, match=says):
        check_agent_words(words, options=options, lists=lists)


@pytest.mark.parametrize(
    "request_", [AgentRequest(), AgentRequest("claude"), AgentRequest(resume=True)]
)
def test_requests_that_attach(request_: AgentRequest) -> None:
    check_running(RUNNING, request_)


@pytest.mark.parametrize(
    "request_", [AgentRequest("codex"), AgentRequest(new=True), AgentRequest(words=("x",))]
)
def test_requests_for_another_session(request_: AgentRequest) -> None:
    with pytest.raises(UsageError, match="claude runs in isurus already"):
        check_running(RUNNING, request_)


def test_the_argv() -> None:
    agent = Agent("mine", command=("mine", "-y"), resume=("mine", "-c"), hooks=("--hooks", "h"))
    assert agent_argv(agent, AgentRequest()) == ["mine", "-y", "--hooks", "h"]
    words = AgentRequest(resume=True, words=("a b", "-c"))
    assert agent_argv(agent, words) == ["mine", "-c", "--hooks", "h", "a b", "-c"]
    with pytest.raises(UsageError, match="mine can't resume a session"):
        agent_argv(agent._replace(resume=()), AgentRequest(resume=True))

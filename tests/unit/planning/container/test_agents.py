"""The table of agents."""

from __future__ import annotations

import posixpath
from dataclasses import replace

import pytest

from repoman_tasks.errors import UsageError
from repoman_tasks.model import AgentEntry, Defaults
from repoman_tasks.planning.container.agents import (
    AGENTS,
    LOGIN_PATH,
    PRIVATE,
    VOLUME_PATH,
    agent_fault,
    agent_file,
    agent_folders,
    all_agents,
    default_agent,
    kept_folders,
    named_agent,
    volume_variables,
)
from repoman_tasks.planning.names import inside, variable_fault


def test_names_variables_and_folders_are_unique() -> None:
    assert len({agent.name for agent in AGENTS}) == len(AGENTS)
    variables = [name for agent in AGENTS for name, _ in agent.variables]
    assert len(set(variables)) == len(variables)
    assert not any(map(variable_fault, variables))
    folders = [agent.folder for agent in AGENTS if agent.folder]
    assert len(set(folders)) == len(folders)


def test_all_paths_are_relative_and_stay_inside() -> None:
    for agent in AGENTS:
        folders = [agent.folder] if agent.folder else []
        for path in (*folders, *agent.keep, *agent.host, *(f for _, f in agent.variables)):
            assert posixpath.normpath(path) == path
            assert not path.startswith(("/", "..", "~"))


def test_an_agents_folder_is_in_the_one_that_its_variable_names() -> None:
    for agent in AGENTS:
        assert all(inside(agent.folder, folder) for _, folder in agent.variables)


def test_the_shared_login_is_not_on_the_volume_of_a_project() -> None:
    assert not inside(LOGIN_PATH, VOLUME_PATH)


def test_kept_folders_are_relative_to_the_home_and_outer_ones_come_first() -> None:
    kept = kept_folders(["~/.config", "notes", "~/notes"])
    assert {"notes", ".config", ".config/opencode"} <= set(kept)
    assert kept.index(".config") < kept.index(".config/opencode")
    assert kept.count("notes") == 1


@pytest.mark.parametrize(
    ("text", "source", "path"),
    [
        ("~/.claude/CLAUDE.md", "/h/.claude/CLAUDE.md", f"{VOLUME_PATH}/claude/CLAUDE.md"),
        ("~/.codex/prompts", "/h/.codex/prompts", f"{VOLUME_PATH}/codex/prompts"),
        ("~/.gemini/GEMINI.md", "/h/.gemini/GEMINI.md", f"{VOLUME_PATH}/gemini/.gemini/GEMINI.md"),
        ("~/.config/opencode/a", "/h/.config/opencode/a", "/h/.config/opencode/a"),
        ("~/.vimrc", "/h/.vimrc", "/h/.vimrc"),
        ("~/.claude/x:/opt/y", "/h/.claude/x", "/opt/y"),
        ("/srv/x:~/y", "/srv/x", "/h/y"),
    ],
)
def test_where_a_file_for_agents_goes(text: str, source: str, path: str) -> None:
    assert agent_file(text, "/h") == (source, path)


def test_what_is_private_is_of_an_agent() -> None:
    folders = [folder for agent in AGENTS for folder in agent.host]
    assert all(any(inside(path, folder) for folder in folders) for path in PRIVATE)


MINE = AgentEntry("mine", ("mine", "-y"), ("mine", "-c"), variables=(("MINE_HOME", "mine"),))


def test_each_built_in_agent_can_be_run_and_resumed() -> None:
    for agent in all_agents():
        assert agent.command[0] == agent.resume[0] == agent.name
        assert agent_fault(AgentEntry(agent.name, agent.command, agent.resume)) == ""


def test_an_agent_of_the_registry_is_one_more() -> None:
    assert agent_fault(MINE) == ""
    agent = named_agent("mine", [MINE])
    assert (agent.command, agent.resume) == (("mine", "-y"), ("mine", "-c"))
    assert volume_variables([MINE])["MINE_HOME"] == f"{VOLUME_PATH}/mine"
    assert "mine" in agent_folders([MINE])
    assert [one.name for one in all_agents([MINE])] == [*(one.name for one in AGENTS), "mine"]


def test_the_registry_replaces_only_what_it_sets_of_a_built_in_agent() -> None:
    before = named_agent("claude", ())
    after = named_agent("claude", [AgentEntry("claude", command=("claude", "-d"))])
    assert after == before._replace(command=("claude", "-d"))


def test_the_agent_of_a_first_session() -> None:
    assert default_agent(Defaults()) == default_agent(Defaults(agents=())) == "claude"
    assert default_agent(Defaults(agents=("codex@1.2", "claude"))) == "codex"


def test_an_unknown_agent() -> None:
    with pytest.raises(UsageError, match=r"no agent is called 'cluade': did you mean claude\?"):
        named_agent("cluade", [MINE])
    with pytest.raises(UsageError, match=r"choose one of claude, .*aider, mine"):
        named_agent("x", [MINE])
    own = r"\(one of your own needs an entry \[agents\.NAME\] in the registry\)$"
    with pytest.raises(UsageError, match=own):
        named_agent("mine", ())
    with pytest.raises(UsageError, match=r"did you mean gemini\?$"):  # for a login
        named_agent("mine", None)


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        (replace(MINE, name="-x"), "begins with a letter"),
        (replace(MINE, name="a b"), "letters, digits and dashes"),
        (replace(MINE, name="a" * 32), "up to 31"),
        (replace(MINE, command=()), "it needs command"),
        (replace(MINE, command=("",)), "program is empty"),
        (replace(MINE, resume=("", "x")), "program is empty"),
        (replace(MINE, name="codex"), "are built in"),
        (replace(MINE, variables=(("CODEX_HOME", "x"),)), "of another agent"),
        (replace(MINE, variables=(("HISTFILE", "x"),)), "of another agent"),
        (replace(MINE, variables=(("A", "../x"),)), "'../x' can't be"),
        (replace(MINE, variables=(("A", "a/b"),)), "'a/b' can't be"),
        (replace(MINE, variables=(("A", "keep"),)), "'keep' can't be"),
        (replace(MINE, variables=(("A", "claude"),)), "'claude' can't be"),
        (replace(MINE, variables=(("1A", "x"),)), "not a valid variable"),
    ],
)
def test_what_an_agent_of_the_registry_can_not_be(entry: AgentEntry, says: str) -> None:
    assert says in agent_fault(entry)

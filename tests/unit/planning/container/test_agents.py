"""The table of agents."""

from __future__ import annotations

import posixpath

import pytest

from repoman_tasks.planning.container.agents import (
    AGENTS,
    LOGIN_PATH,
    PRIVATE,
    VOLUME_PATH,
    agent_file,
    kept_folders,
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

"""The table of agents."""

from __future__ import annotations

import posixpath

from repoman_tasks.planning.container.agents import AGENTS, LOGIN_PATH, VOLUME_PATH
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

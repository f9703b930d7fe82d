"""Every flag works without its question: the wizards of all commands, each argument in turn.

They look at a real estate and at an `incus` that gives the answers of a daemon; what a person
types is given by `Person`, in place of the terminal.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from repoman_tasks.actions.facts import reconcile
from repoman_tasks.cli.wizard import Wizard
from repoman_tasks.commands import collection
from repoman_tasks.errors import UsageError
from repoman_tasks.hosts.local import LocalHost
from repoman_tasks.planning import prompts
from repoman_tasks.planning.prompts import Prompt
from repoman_tasks.session import Session
from repoman_tasks.terminal.prompter import Prompter
from repoman_tasks.terminal.screen import Recorder
from tests.support.estate import Estate

TASKS = collection().tasks
ALONE = {"list", "status", "sync"}
"""Commands that ask for no argument."""
NOBODY = 65534
"""The uid of a user that every host has, and who is not root."""


class Person(Prompter):
    """Answers each question, by a default where it has one, and keeps in mind what was asked."""

    def __init__(self, command: str, typed: Mapping[str, str], *, yes: bool = False) -> None:
        super().__init__(command, yes=yes, no_input=False)
        self._terminal = True
        self._typed = typed
        self.asked: list[Prompt] = []

    def _text(self, prompt: Prompt, about: Any) -> str:
        self.asked.append(prompt)
        self._again = 0
        return super()._text(prompt, about)

    def _line(self, question: str) -> str:
        self._again += 1
        assert self._again == 1, f"the answer to {question!r} was not taken"
        text = self.asked[-1].text
        if text in self._typed:
            return self._typed[text]
        assert question.endswith("] "), f"{question!r} has no default"
        return ""


def daemon(folder: Path, pools: list[str]) -> Path:
    """A folder with an `incus` that tells of these storage pools, and of a container `stray`."""
    stray = {"name": "stray", "status": "Stopped", "config": {}, "devices": {}, "profiles": []}
    answers = {
        "*/1.0/instances*": [stray],
        "*/1.0/images/aliases/*": {"target": "abc"},
        "*/1.0/images/aliases*": [{"name": "debian", "target": "abc"}],
        "*/resources*": {},
        "*/1.0/storage-pools*": [{"name": name, "driver": "dir"} for name in pools],
        "*/1.0/profiles*": [{"name": "default"}, {"name": "gpu"}],
        "*/1.0/projects/*": {"config": {}},
        "*/1.0": {"environment": {"server_version": "6.0.4"}},
        "*": [],
    }
    lines = [
        f"{pattern}) echo '{json.dumps({'error': '', 'error_code': 0, 'metadata': found})}' ;;"
        for pattern, found in answers.items()
    ]
    remotes = {"images": {"Addr": "https://images.example.org", "Protocol": "simplestreams"}}
    folder.mkdir()
    program = folder / "incus"
    program.write_text(
        f"#!/bin/sh\n[ \"$1\" != remote ] || {{ echo '{json.dumps(remotes)}'; exit 0; }}\n"
        f'case "$6" in\n{chr(10).join(lines)}\nesac\n'
    )
    program.chmod(0o755)
    return folder


def run(
    estate: Estate, command: str, given: Mapping[str, Any], *, pools: list[str], yes: bool = False
) -> tuple[list[Prompt], dict[str, Any]]:
    """Have the wizard of a command ask; the questions, and the arguments afterwards."""
    programs = estate.base / "programs"
    if not programs.exists():
        daemon(programs, pools)
    environ = {**estate.environ, "PATH": f"{programs}:{estate.environ['PATH']}", "SHELL": ""}
    host = LocalHost(environ)
    host.uid, host.folder = NOBODY, "/"
    typed = {
        prompts.PROJECT.text: "1",
        prompts.CONTAINER.text: "1",
        prompts.SHELL.text: "1",
        prompts.ARGV.text: "ls -l",
        prompts.NEW_NAME.text: "raja",
        prompts.NFS_REPOS.text: str(estate.share),
        prompts.POOL.text: "1",
    }
    person = Person(command, typed, yes=yes)
    session = Session(host, person, Recorder())
    task = TASKS[command]
    arguments = {**task.unset(), **given}
    with session.stack:
        session.of(reconcile)
        task.wizard(Wizard(session, arguments))
    return person.asked, arguments


@pytest.fixture(params=["registered", "new"])
def known(request: pytest.FixtureRequest, estate: Estate) -> Estate:
    """An estate with a project that has a container, or a host where nothing is set up."""
    if request.param == "new":
        return estate
    estate.prepare("isurus")
    estate.registry.write_text(estate.registry.read_text().replace("container = false\n", ""))
    return estate


def value_of(name: str, task: Any, estate: Estate) -> Any:
    """A value that an argument may have."""
    known = {
        "name": "raja" if task.name == "new" else "isurus",
        "action": "install",
        "local_repos": str(estate.local_repos),
        "nfs_repos": str(estate.share),
        "profile": ["default"],
        "repo": "elsewhere",
        "shell": "fish",
    }
    default = task.unset()[name]
    return known.get(name, True if isinstance(default, bool) else "x")


IN_TURN = [
    (command, name, prompt)
    for command in sorted(TASKS)
    for prompt in vars(prompts).values()
    if isinstance(prompt, Prompt)
    for name in prompt.answers.get(command, ())
    if name in TASKS[command].unset()
]


@pytest.mark.parametrize(
    ("command", "name", "prompt"), IN_TURN, ids=[f"{c} {n}" for c, n, _ in IN_TURN]
)
def test_what_a_flag_says_is_not_asked(
    known: Estate, command: str, name: str, prompt: Prompt
) -> None:
    given = {name: value_of(name, TASKS[command], known)}
    asked, arguments = run(known, command, given, pools=["a", "b"])
    assert prompt not in asked
    assert arguments[name] == given[name]


@pytest.mark.parametrize("command", sorted(set(TASKS) - {"exec"}))  # whose words are no argument
def test_nothing_is_asked_where_all_is_said(known: Estate, command: str) -> None:
    task = TASKS[command]
    given = {name: value_of(name, task, known) for name in task.unset()}
    asked, _ = run(known, command, given, pools=["a", "b"])
    assert asked == []


@pytest.mark.parametrize("command", sorted(TASKS))
def test_each_question_fills_what_it_says(known: Estate, command: str) -> None:
    asked, arguments = run(known, command, {}, pools=["a", "b"])
    assert bool(asked) is (command not in ALONE) or not known.registry.exists()
    assert len(asked) == len(set(asked))
    filled = {name for name, value in arguments.items() if value != TASKS[command].unset()[name]}
    may = {name for prompt in asked for name in prompt.arguments(command)}
    assert filled <= may


@pytest.mark.parametrize("command", sorted(TASKS))
def test_yes_leaves_what_has_a_default(known: Estate, command: str) -> None:
    asked, arguments = run(known, command, {}, pools=[], yes=True)
    assert set(asked) <= {
        *(prompts.PROJECT, prompts.CONTAINER, prompts.NEW_NAME, prompts.ARGV, prompts.SHELL)
    }
    for name, value in arguments.items():
        assert name in ("name", "shell") or not value


def test_all_that_new_asks(known: Estate) -> None:
    asked, arguments = run(known, "new", {}, pools=["default"])
    assert asked == [
        *(prompts.NEW_NAME, prompts.SOURCE, prompts.PARTS, prompts.IMAGE, prompts.PROFILES)
    ]
    filled = {name: value for name, value in arguments.items() if value}
    assert filled == {"name": "raja", "create": True}


@pytest.mark.parametrize("name", ["a_b", "../x", "sync", "isurus", ""])
def test_new_asks_nothing_for_a_name_that_can_not_be(estate: Estate, name: str) -> None:
    estate.prepare("isurus")
    with pytest.raises(UsageError):
        run(estate, "new", {"name": name}, pools=["default"])


@pytest.mark.parametrize(
    ("pools", "wanted", "filled"),
    [
        (["default", "b"], None, {}),
        (["b"], None, {}),
        ([], prompts.INIT_INCUS, {"init_incus": True}),
        (["a", "b"], prompts.POOL, {"storage_pool": "a"}),
    ],
)
def test_what_setup_asks_of_incus(
    estate: Estate, pools: list[str], wanted: Prompt | None, filled: dict[str, Any]
) -> None:
    asked, arguments = run(estate, "setup", {}, pools=pools)
    assert asked == [prompts.LOCAL_REPOS, prompts.NFS_REPOS, *([wanted] if wanted else [])]
    paths = {"local_repos": "~/repos", "nfs_repos": str(estate.share)}
    assert {name: value for name, value in arguments.items() if value} == paths | filled

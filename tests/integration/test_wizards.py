"""Every flag replaces its question, in the wizards of all commands, argument by argument.

They read a real estate and an `incus` that gives the answers of a daemon; `Person` gives the
answers of a person, in place of the terminal.
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
ALONE = {
    "git-guard",
    "list",
    "log",
    "nightly",
    "ssh-config",
    "status",
    "sync",
    "template",
    "uninstall",
    "verify",
}
"""Commands that ask for no argument."""
NOBODY = 65534
"""The uid of a user that every host has, and who is not root."""


class Person(Prompter):
    """Answer each question, by its default if it has one, and record the questions."""

    def __init__(self, command: str, typed: Mapping[str, str], *, yes: bool = False) -> None:
        super().__init__(command, yes=yes, no_input=False)
        self._terminal = True
        self._typed = typed
        self.questions: list[Prompt] = []

    def _text(self, prompt: Prompt, about: Any) -> str:
        self.questions.append(prompt)
        self._again = 0
        return super()._text(prompt, about)

    def _line(self, question: str) -> str:
        self._again += 1
        assert self._again == 1, f"the answer to {question!r} was not taken"
        text = self.questions[-1].text
        if text in self._typed:
            return self._typed[text]
        assert question.endswith("] "), f"{question!r} has no default"
        return ""


def daemon(folder: Path, pools: list[str]) -> Path:
    """Make a folder with an `ip`, and an `incus` with these pools and a container `stray`."""
    stray = {"name": "stray", "status": "Stopped", "config": {}, "devices": {}, "profiles": []}
    answers = {
        "*/1.0/instances*": [stray],
        "*/1.0/images/aliases/*": {"target": "abc"},
        "*/1.0/images/aliases*": [{"name": "debian", "target": "abc"}],
        "*/resources*": {},
        "*/1.0/storage-pools*": [{"name": name, "driver": "dir"} for name in pools],
        "*/1.0/profiles*": [
            {"name": "default", "devices": {"root": {"type": "disk", "path": "/"}}},
            {"name": "gpu"},
        ],
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
    (folder / "ip").write_text("#!/bin/sh\necho '[]'\n")
    (folder / "ip").chmod(0o755)
    return folder


def run(
    estate: Estate, command: str, given: Mapping[str, Any], *, pools: list[str], yes: bool = False
) -> tuple[list[Prompt], dict[str, Any]]:
    """Run the wizard of a command; return the questions, and the arguments afterwards."""
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
        prompts.PORT.text: "3000",
        prompts.NEW_NAME.text: "raja",
        prompts.NEW_NAME_OF.text: "raja",
        prompts.NFS_REPOS.text: str(estate.share),
        prompts.POOL.text: "1",
    }
    person = Person(command, typed, yes=yes)
    session = Session(host, person, Recorder())
    task = TASKS[command]
    arguments = {**task.default_arguments(), **given}
    with session.stack:
        session.of(reconcile)
        task.wizard(Wizard(session, arguments))
    return person.questions, arguments


@pytest.fixture(params=["registered", "new"])
def known(request: pytest.FixtureRequest, estate: Estate) -> Estate:
    """Return an estate with a project that has a container, or a host where nothing is set up."""
    if request.param == "new":
        return estate
    estate.prepare("isurus")
    estate.registry.write_text(estate.registry.read_text().replace("container = false\n", ""))
    return estate


def value_of(name: str, task: Any, estate: Estate) -> Any:
    """Return a valid value of an argument."""
    known = {
        "name": "raja" if task.name == "new" else "isurus",
        "action": "install",
        "local_repos": str(estate.local_repos),
        "nfs_repos": str(estate.share),
        "profile": ["default"],
        "protect": "true",
        "repo": "elsewhere",
        "shell": "fish",
    }
    default = task.default_arguments()[name]
    return known.get(name, True if isinstance(default, bool) else "x")


IN_TURN = [
    (command, name, prompt)
    for command in sorted(TASKS)
    for prompt in vars(prompts).values()
    if isinstance(prompt, Prompt)
    for name in prompt.answers.get(command, ())
    if name in TASKS[command].default_arguments()
]


@pytest.mark.parametrize(
    ("command", "name", "prompt"), IN_TURN, ids=[f"{c} {n}" for c, n, _ in IN_TURN]
)
def test_an_argument_with_a_flag_is_not_asked_for(
    known: Estate, command: str, name: str, prompt: Prompt
) -> None:
    given = {name: value_of(name, TASKS[command], known)}
    questions, arguments = run(known, command, given, pools=["a", "b"])
    assert prompt not in questions
    assert arguments[name] == given[name]


@pytest.mark.parametrize("command", sorted(set(TASKS) - {"exec"}))  # whose words are no argument
def test_nothing_is_asked_if_all_arguments_are_given(known: Estate, command: str) -> None:
    task = TASKS[command]
    given = {name: value_of(name, task, known) for name in task.default_arguments()}
    questions, _ = run(known, command, given, pools=["a", "b"])
    assert questions == []


@pytest.mark.parametrize("command", sorted(TASKS))
def test_each_question_fills_what_it_says(known: Estate, command: str) -> None:
    questions, arguments = run(known, command, {}, pools=["a", "b"])
    assert bool(questions) is (command not in ALONE) or not known.registry.exists()
    assert len(questions) == len(set(questions))
    defaults = TASKS[command].default_arguments()
    filled = {name for name, value in arguments.items() if value != defaults[name]}
    may = {name for prompt in questions for name in prompt.arguments(command)}
    assert filled <= may


@pytest.mark.parametrize("command", sorted(TASKS))
def test_yes_leaves_what_has_a_default(known: Estate, command: str) -> None:
    questions, arguments = run(known, command, {}, pools=[], yes=True)
    assert set(questions) <= {
        *(prompts.PROJECT, prompts.CONTAINER, prompts.NEW_NAME, prompts.ARGV, prompts.SHELL),
        *(prompts.NEW_NAME_OF, prompts.PORT),
    }
    defaults = TASKS[command].default_arguments()
    for name, value in arguments.items():
        assert name in ("name", "port", "shell", "to") or not value or value == defaults[name]


def test_all_that_new_asks(known: Estate) -> None:
    questions, arguments = run(known, "new", {}, pools=["default"])
    assert questions == [
        *(prompts.NEW_NAME, prompts.SOURCE, prompts.PARTS, prompts.TEMPLATE),
        *(prompts.IMAGE, prompts.PROFILES),
    ]
    filled = {name: value for name, value in arguments.items() if value}
    assert filled == {"name": "raja", "create": True}


def test_new_offers_the_guard_where_it_is_installed(estate: Estate) -> None:
    estate.prepare("isurus")
    assert prompts.PROTECT not in run(estate, "new", {}, pools=["default"])[0]
    estate.run("git-guard", "install", "--yes", code=0)
    assert prompts.PROTECT in run(estate, "new", {}, pools=["default"])[0]
    given = {"protect": "guard"}
    assert prompts.PROTECT not in run(estate, "new", given, pools=["default"])[0]


@pytest.mark.parametrize("name", ["a_b", "../x", "sync", "isurus", ""])
def test_new_asks_nothing_if_the_name_is_invalid(estate: Estate, name: str) -> None:
    estate.prepare("isurus")
    with pytest.raises(UsageError):
        run(estate, "new", {"name": name}, pools=["default"])


@pytest.mark.parametrize(
    ("pools", "expected", "filled"),
    [
        (["default", "b"], None, {}),
        (["b"], None, {}),
        ([], prompts.INIT_INCUS, {"init_incus": True}),
        (["a", "b"], prompts.POOL, {"storage_pool": "a"}),
    ],
)
def test_the_queries_of_setup_to_incus(
    estate: Estate, pools: list[str], expected: Prompt | None, filled: dict[str, Any]
) -> None:
    questions, arguments = run(estate, "setup", {}, pools=pools)
    asked = [prompts.LOCAL_REPOS, prompts.NFS_REPOS, *([expected] if expected else [])]
    assert questions == [*asked, prompts.AGENTS]
    paths = {"local_repos": "~/repos", "nfs_repos": str(estate.share)}
    assert {name: value for name, value in arguments.items() if value} == paths | filled

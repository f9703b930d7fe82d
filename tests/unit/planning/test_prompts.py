"""Every question has its flag: the prompts held against the signatures, and against the source."""

from __future__ import annotations

import ast
import shlex
from collections.abc import Iterator

import pytest

from repoman_tasks.commands import collection
from repoman_tasks.errors import UsageError
from repoman_tasks.planning import prompts
from repoman_tasks.planning.prompts import Prompt, command_line, picked
from repoman_tasks.terminal.prompter import Prompter
from tests.unit.test_structure import PACKAGE, modules, own, within

PROMPTS = {name: value for name, value in vars(prompts).items() if isinstance(value, Prompt)}
TASKS = collection().tasks
ASKING = ("choose", "confirm", "grant", "typed")
"""The methods that put a question to a person."""
MEAN_SOMETHING_ALONE = {"list", "status", "sync"}
"""Commands that are for the whole estate where nothing is named."""

each_prompt = pytest.mark.parametrize("prompt", PROMPTS.values(), ids=PROMPTS)


def arguments(command: str) -> set[str]:
    """What a command takes, by the names in its signature; what every one takes, too."""
    return {arg.name.replace("-", "_") for arg in TASKS[command].get_arguments()}


# --- against the signatures ------------------------------------------------------------------


@each_prompt
def test_what_answers_it_is_an_argument_of_the_command(prompt: Prompt) -> None:
    assert prompt.answers or prompt.instead
    for command, answers in prompt.answers.items():
        assert answers, command
        assert set(answers) <= arguments(command)
        for name in answers:
            assert f"--{name.replace('_', '-')}" in prompt.way(command)
    for command, way in prompt.instead.items():
        assert command in TASKS
        assert command not in prompt.answers
        assert prompt.way(command) == way


@each_prompt
def test_a_question_ends_like_one_and_is_short(prompt: Prompt) -> None:
    assert prompt.text.endswith(("?", "."))
    assert len(prompt.text) <= 72


def test_what_lets_in_or_deletes_a_repo_is_not_answered_by_yes() -> None:
    for prompt in (prompts.APPROVE, prompts.REPO):
        for answers in prompt.answers.values():
            assert "yes" not in answers


@pytest.mark.parametrize("command", sorted(set(TASKS) - MEAN_SOMETHING_ALONE))
def test_a_word_that_is_needed_is_asked_for(command: str) -> None:
    argv = {arg.name for arg in TASKS[command].get_arguments() if arg.positional}
    asked = {name for prompt in PROMPTS.values() for name in prompt.answers.get(command, ())}
    assert argv <= asked


# --- against the source ----------------------------------------------------------------------


def asking_calls() -> Iterator[tuple[str, ast.expr | None]]:
    """Each place that asks, with what it asks."""
    for module in modules().values():
        if within(module.name, *own("terminal.prompter")):
            continue
        for node in ast.walk(module.tree):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                continue
            base = ast.unparse(node.func.value)
            if node.func.attr in ASKING and base.split(".")[-1] in ("prompter", "wizard"):
                yield f"{module.name}, line {node.lineno}", next(iter(node.args), None)


def test_everything_that_asks_asks_a_prompt() -> None:
    found = list(asking_calls())
    by_name = [where for where, first in found if ast.unparse(first or ast.Name("")) in PROMPTS]
    passed_on = [where for where, first in found if ast.unparse(first or ast.Name("")) == "prompt"]
    assert {where for where, _ in found} == {*by_name, *passed_on}
    assert {where.split(",")[0] for where in passed_on} == {f"{PACKAGE}.cli.wizard"}
    used = {ast.unparse(first) for _, first in found if first is not None}
    assert set(PROMPTS) <= used, "a prompt that nobody asks"


def test_ask_has_no_other_way_to_ask() -> None:
    (ask,) = [
        node
        for node in ast.walk(modules()[f"{PACKAGE}.terminal.prompter"].tree)
        if isinstance(node, ast.ClassDef)
    ]
    asking = {
        method.name: method
        for method in ask.body
        if isinstance(method, ast.FunctionDef) and "self._line(" in ast.unparse(method)
    }
    assert set(asking) == set(ASKING)
    for method in asking.values():
        first = method.args.args[1]
        assert ast.unparse(first.annotation or ast.Name("")) == "Prompt"


_READERS = ("input", "getpass.getpass", "sys.stdin.readline", "sys.stdin.read", "fileinput.input")


def test_nobody_else_reads_what_is_typed() -> None:
    """But for the password of another host, for which a key stands in a script."""
    found = {
        module.name
        for module in modules().values()
        for call in module.calls
        if call in _READERS or call.endswith("stdin.readline")
    }
    assert found == {f"{PACKAGE}.terminal.prompter", f"{PACKAGE}.cli.connections"}


def test_a_question_that_is_not_described_for_a_command_is_a_bug() -> None:
    ask = Prompter("list", yes=False, no_input=True)
    with pytest.raises(AssertionError, match="nothing says what answers"):
        ask.choose(prompts.PROJECT, options={"isurus": ""})


# --- where nobody can be asked ---------------------------------------------------------------


def test_the_flag_is_named_where_nobody_can_be_asked() -> None:
    with pytest.raises(UsageError, match=r"No terminal to ask on: add --yes"):
        Prompter("remove", yes=False, no_input=True).confirm(prompts.GO_AHEAD, default=False)
    with pytest.raises(UsageError, match=r"add --create or --clone or --repo"):
        Prompter("new", yes=False, no_input=True).choose(prompts.SOURCE, options={})
    assert not Prompter("new", yes=True, no_input=True).grant(prompts.APPROVE)


# --- an answer -------------------------------------------------------------------------------

THREE = ("isurus", "lamna", "12")


@pytest.mark.parametrize(
    ("answer", "free", "value"),
    [
        ("1", False, "isurus"),
        ("2", True, "lamna"),
        ("lamna", False, "lamna"),
        ("12", False, "12"),  # itself comes before its number
        ("raja", True, "raja"),
        ("1234567", True, "1234567"),
    ],
)
def test_an_answer_is_a_number_or_itself(answer: str, free: bool, value: str) -> None:
    assert picked(answer, THREE, free=free) == value


@pytest.mark.parametrize(
    ("answer", "free", "says"),
    [
        ("0", False, "there is no 0: answer 1 to 3"),
        ("4", True, "there is no 4: answer 1 to 3"),
        ("isuros", False, "there is no 'isuros': did you mean isurus?"),
        ("zzz", False, "there is no 'zzz': answer 1 to 3"),
        ("-1", False, "there is no '-1': answer 1 to 3"),
        ("٣", False, "there is no '٣': answer 1 to 3"),
    ],
)
def test_an_answer_that_is_none(answer: str, free: bool, says: str) -> None:
    with pytest.raises(UsageError) as caught:
        picked(answer, THREE, free=free)
    assert str(caught.value) == says


def test_of_two_hundred_one_is_named() -> None:
    many = [f"p{number}" for number in range(200)]
    assert picked("p150", many, free=False) == "p150"
    with pytest.raises(UsageError, match="there is no '17': did you mean p17"):
        picked("17", many, free=False)
    with pytest.raises(UsageError, match="there is no 'zzz': answer with one of the names"):
        picked("zzz", many, free=False)


def test_without_options_a_number_is_a_value() -> None:
    assert picked("7", (), free=True) == "7"


# --- the same by flags -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "argv", "line"),
    [
        ({"name": "isurus", "force": False}, (), "repoman stop isurus"),
        ({"name": None, "dry_run": True}, (), "repoman stop --dry-run"),
        ({"profile": ["default", "gpu"]}, (), "repoman stop --profile default --profile gpu"),
        ({"repo": "-x"}, (), "repoman stop --repo=-x"),
        ({"local_repos": "/my repos"}, (), "repoman stop --local-repos '/my repos'"),
        ({"yes": True, "host": "nas", "name": "a"}, (), "repoman stop a --yes --host nas"),
        ({"host": "", "repo": "", "jobs": None}, (), "repoman stop"),
        ({"name": "a"}, ("ls", "a b"), "repoman stop a -- ls 'a b'"),
    ],
)
def test_the_same_by_flags(given: dict[str, object], argv: tuple[str, ...], line: str) -> None:
    assert command_line("stop", ["name"], given, argv) == line


def test_it_is_quoted_for_a_shell() -> None:
    hostile = "$(reboot) `x` 'y' \"z\" ;&|<>*?"
    assert hostile in shlex.split(command_line("new", ["name"], {"repo": hostile}))


def test_no_secret_of_a_url_is_told() -> None:
    line = command_line("new", ["name"], {"name": "x", "clone": "https://u:tok3n@h/x.git?k=v"})
    assert "tok3n" not in line
    assert "k=v" not in line
    assert line.startswith("repoman new x --clone ")

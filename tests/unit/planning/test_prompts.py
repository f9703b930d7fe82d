"""Each prompt has an option: checks against the signatures of the tasks, and against the source."""

from __future__ import annotations

import ast
import shlex
from collections.abc import Iterator

import pytest

from repoman_tasks.commands import collection
from repoman_tasks.errors import UsageError
from repoman_tasks.planning import prompts
from repoman_tasks.planning.prompts import Prompt, command_line, parse_choice
from repoman_tasks.terminal.prompter import Prompter
from tests.unit.test_structure import PACKAGE, modules, own, within

PROMPTS = {name: value for name, value in vars(prompts).items() if isinstance(value, Prompt)}
TASKS = collection().tasks
ASKING = ("choose", "confirm", "grant", "secret", "typed")
"""Methods that ask a person."""
NAME_IS_OPTIONAL = {
    *("git-guard", "list", "log", "nightly", "ssh-config", "status", "sync", "template")
}
"""Commands that apply to the whole estate without a name, or only look without an action."""

each_prompt = pytest.mark.parametrize("prompt", PROMPTS.values(), ids=PROMPTS)


def arguments(command: str) -> set[str]:
    """Return the arguments of a command as in its signature, those common to all included."""
    return {arg.name.replace("-", "_") for arg in TASKS[command].get_arguments()}


# --- against the signatures ------------------------------------------------------------------


def test_a_command_asks_by_the_name_that_is_typed() -> None:
    assert {name: task.name for name, task in TASKS.items()} == {name: name for name in TASKS}


@each_prompt
def test_answers_are_arguments_of_the_command(prompt: Prompt) -> None:
    assert prompt.answers or prompt.cures
    for command, answers in prompt.answers.items():
        assert answers, command
        assert set(answers) <= arguments(command)
        for name in answers:
            assert f"--{name.replace('_', '-')}" in prompt.cure(command)
    for command, cure in prompt.cures.items():
        assert command in TASKS
        assert command not in prompt.answers
        assert prompt.cure(command) == cure


@each_prompt
def test_a_prompt_is_a_short_question_or_sentence(prompt: Prompt) -> None:
    assert prompt.text.endswith(("?", "."))
    assert len(prompt.text) <= 72


def test_yes_neither_approves_nor_deletes_a_repo() -> None:
    for prompt in (prompts.APPROVE, prompts.REPO):
        for answers in prompt.answers.values():
            assert "yes" not in answers


@pytest.mark.parametrize("command", sorted(set(TASKS) - NAME_IS_OPTIONAL))
def test_each_required_argument_has_a_prompt(command: str) -> None:
    arguments = TASKS[command].get_arguments()
    required = {arg.name for arg in arguments if arg.positional and arg.kind is not list}
    required -= {"path"}  # all of the repo
    prompted = {name for prompt in PROMPTS.values() for name in prompt.answers.get(command, ())}
    assert required <= prompted


# --- against the source ----------------------------------------------------------------------


def asking_calls() -> Iterator[tuple[str, ast.expr | None]]:
    """Return each call that asks a person, with its first argument."""
    for module in modules().values():
        if within(module.name, *own("terminal.prompter")):
            continue
        for node in ast.walk(module.tree):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                continue
            if node.func.attr not in ASKING:
                continue
            if ast.unparse(node.func.value).split(".")[-1] in ("prompter", "wizard"):
                yield f"{module.name}, line {node.lineno}", next(iter(node.args), None)


def test_every_question_is_a_prompt() -> None:
    found = list(asking_calls())
    by_name = [where for where, first in found if ast.unparse(first or ast.Name("")) in PROMPTS]
    passed_on = [where for where, first in found if ast.unparse(first or ast.Name("")) == "prompt"]
    assert {where for where, _ in found} == {*by_name, *passed_on}
    assert {where.split(",")[0] for where in passed_on} == {f"{PACKAGE}.cli.wizard"}
    used = {ast.unparse(first) for _, first in found if first is not None}
    assert set(PROMPTS) <= used, "unused prompt"


def test_the_prompter_asks_prompts_only() -> None:
    (ask,) = [
        node
        for node in ast.walk(modules()[f"{PACKAGE}.terminal.prompter"].tree)
        if isinstance(node, ast.ClassDef) and node.name == "Prompter"
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


def test_nothing_else_reads_from_the_terminal() -> None:
    """The password of another host is an exception; scripts use a key for it."""
    found = {
        module.name
        for module in modules().values()
        for call in module.calls
        if call in _READERS or call.endswith("stdin.readline")
    }
    assert found == {f"{PACKAGE}.terminal.prompter", f"{PACKAGE}.cli.connections"}


def test_a_prompt_without_an_option_is_a_bug() -> None:
    ask = Prompter("list", yes=False, no_input=True)
    with pytest.raises(AssertionError, match="is known to answer"):
        ask.choose(prompts.PROJECT, options={"isurus": ""})


# --- without a terminal ----------------------------------------------------------------------


def test_the_error_without_a_terminal_names_the_option() -> None:
    with pytest.raises(UsageError, match=r"No terminal to ask on: pass --yes"):
        Prompter("remove", yes=False, no_input=True).confirm(prompts.GO_AHEAD, default=False)
    with pytest.raises(UsageError, match=r"pass --create or --clone or --restore or --repo"):
        Prompter("new", yes=False, no_input=True).choose(prompts.SOURCE, options={})
    assert not Prompter("new", yes=True, no_input=True).grant(prompts.APPROVE)


# --- answers ---------------------------------------------------------------------------------

THREE = ("isurus", "lamna", "12")


@pytest.mark.parametrize(
    ("answer", "free", "value"),
    [
        ("1", False, "isurus"),
        ("2", True, "lamna"),
        ("lamna", False, "lamna"),
        ("12", False, "12"),  # a value takes precedence over a number
        ("raja", True, "raja"),
        ("1234567", True, "1234567"),
    ],
)
def test_an_answer_is_a_number_or_a_value(answer: str, free: bool, value: str) -> None:
    assert parse_choice(answer, THREE, free=free) == value


@pytest.mark.parametrize(
    ("answer", "free", "message"),
    [
        ("0", False, "0 is not a choice: enter 1 to 3"),
        ("4", True, "4 is not a choice: enter 1 to 3"),
        ("isuros", False, "'isuros' is not a choice: did you mean isurus?"),
        ("zzz", False, "'zzz' is not a choice: enter 1 to 3"),
        ("-1", False, "'-1' is not a choice: enter 1 to 3"),
        ("٣", False, "'٣' is not a choice: enter 1 to 3"),
    ],
)
def test_invalid_answers(answer: str, free: bool, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_choice(answer, THREE, free=free)
    assert str(caught.value) == message


def test_long_lists_are_answered_by_name() -> None:
    many = [f"p{number}" for number in range(200)]
    assert parse_choice("p150", many, free=False) == "p150"
    with pytest.raises(UsageError, match="'17' is not a choice: did you mean p17"):
        parse_choice("17", many, free=False)
    with pytest.raises(UsageError, match="'zzz' is not a choice: enter one of the names"):
        parse_choice("zzz", many, free=False)


def test_without_options_a_number_is_a_value() -> None:
    assert parse_choice("7", (), free=True) == "7"


# --- the equivalent command line -------------------------------------------------------------


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
        ({"name": ["a", "b c"], "force": True}, (), "repoman stop a 'b c' --force"),
    ],
)
def test_command_line(given: dict[str, object], argv: tuple[str, ...], line: str) -> None:
    assert command_line("stop", ["name"], given, argv) == line


def test_the_command_line_is_quoted_for_a_shell() -> None:
    hostile = "$(reboot) `x` 'y' \"z\" ;&|<>*?"
    assert hostile in shlex.split(command_line("new", ["name"], {"repo": hostile}))


def test_the_command_line_has_no_secret_of_a_url() -> None:
    line = command_line("new", ["name"], {"name": "x", "clone": "https://u:tok3n@h/x.git?k=v"})
    assert "tok3n" not in line
    assert "k=v" not in line
    assert line.startswith("repoman new x --clone ")

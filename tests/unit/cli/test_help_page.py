"""The help pages of the real commands, and their examples, parsed by the real parser."""

from __future__ import annotations

import re
import shlex

import invoke.program
import pytest

from dev.chores import with_chores
from dev.completion_table import KINDS
from repoman_tasks.cli.command_help import describe_command
from repoman_tasks.cli.help_page import format_command_page, format_commands_page
from repoman_tasks.cli.parser import GLOBAL_OPTIONS
from repoman_tasks.cli.task import Task
from repoman_tasks.commands import GROUPS, NAMES, collection
from repoman_tasks.errors import ExitCode
from repoman_tasks.planning.text.layout import STRONG

TASKS: dict[str, Task[object]] = dict(collection().tasks)
EXAMPLES = [(name, line) for name, task in TASKS.items() for line in task.examples]

each_command = pytest.mark.parametrize("name", NAMES)
each_width = pytest.mark.parametrize("columns", [40, 80, 100, 200])


def page(name: str, columns: int = 80, program: str = "repoman") -> list[str]:
    return [text for text, _ in format_command_page(name, TASKS[name], columns, program)]


# --- of all commands -----------------------------------------------------------------------


@each_width
def test_the_list_shows_every_command_and_fits(columns: int) -> None:
    lines = [text for text, _ in format_commands_page(GROUPS, TASKS, columns)]
    assert max(map(len, lines)) <= min(columns, 100)
    assert {line.split()[0] for line in lines if line.startswith("  ")} >= set(NAMES)
    assert set(GROUPS) <= set(lines)


def test_the_list_names_what_every_command_takes() -> None:
    text = " ".join(text for text, _ in format_commands_page(GROUPS, TASKS, 100))
    assert "With no arguments on a terminal, a command prompts for what it needs." in text
    for option in ("--host", "--yes", "--no-input", "--debug", "--dry", "repoman help COMMAND"):
        assert option in text


# --- of one command ------------------------------------------------------------------------


@each_command
@each_width
def test_a_page_fits_but_for_what_is_copied(name: str, columns: int) -> None:
    copied = {f"    {line}" for line in TASKS[name].examples}
    lines = [line for line in page(name, columns) if line not in copied]
    assert max(map(len, lines)) <= min(columns, 100)
    assert copied <= set(page(name, columns)), "an example is on one line"


@each_command
def test_a_page_has_its_sections(name: str) -> None:
    titles = [text for text, look in format_command_page(name, TASKS[name], 80) if look == STRONG]
    assert [title for title in titles if title not in ("Arguments:", "Options:")] == [
        *("Examples:", "Common options:", "Exit codes:")
    ]


@each_command
def test_a_page_shows_every_argument_with_its_text(name: str) -> None:
    text = " ".join(" ".join(page(name)).split())
    assert text.startswith(f"Usage: repoman {name} ")
    for argument in TASKS[name].get_arguments():
        shown = argument.names[0].upper() if argument.positional else f"--{argument.names[0]}"
        assert re.search(rf"(?<![\w-]){shown}\b", text)
        assert (argument.help or "no help") in text


@pytest.mark.parametrize(
    ("name", "usage"),
    [
        ("new", "new NAME [options]"),
        ("sync", "sync [NAME] [options]"),
        ("setup", "setup [options]"),
        ("exec", "exec [NAME] [options] -- PROGRAM ..."),
        ("shell", "shell [NAME] [options] [-- PROGRAM ...]"),
        ("completion", "completion ACTION [options]"),
    ],
)
def test_the_usage_has_the_arguments_in_their_place(name: str, usage: str) -> None:
    assert page(name)[0] == f"Usage: repoman {usage}"


def test_inv_shows_the_same_as_its_own() -> None:
    assert page("new", program="inv")[0] == "Usage: inv new NAME [options]"
    assert "    inv new notes --no-container" in page("new", program="inv")
    chores = with_chores().collections["dev"].tasks
    lines = [text for text, _ in format_command_page("dev.lint", chores["lint"], 80, "inv")]
    assert lines[0] == "Usage: inv dev.lint [options]"
    assert "Examples:" not in lines


def test_a_choice_is_shown_by_its_values() -> None:
    """The completions offer the same values."""
    choices = {name: kind.split()[1:] for name, kind in KINDS.items() if kind.startswith("choice")}
    helps = [describe_command(name, task) for name, task in TASKS.items()]
    shown = {option.names[-1][2:]: option.value for one in helps for option in one.options}
    assert {name: "|".join(choices[name]) for name in choices if name in shown}.items() <= (
        shown.items()
    )


# --- examples and exit codes ---------------------------------------------------------------


@each_command
def test_a_command_has_two_to_four_examples(name: str) -> None:
    examples = TASKS[name].examples
    assert 2 <= len(examples) <= 4
    assert len(set(examples.values())) == len(examples)
    for text in examples.values():
        assert text[0].isupper()
        assert not text.endswith(".")


@pytest.mark.parametrize(("name", "line"), EXAMPLES, ids=[line for _, line in EXAMPLES])
def test_an_example_is_a_call_of_its_command(name: str, line: str) -> None:
    program, *argv = shlex.split(line)
    read = invoke.program.Program(name=program, binary=program, namespace=collection())
    read.create_config()
    read.parse_core([program, *argv])
    read.parse_collection()
    read.parse_tasks()
    assert program == "repoman"
    assert [context.name for context in read.tasks] == [name]
    assert bool(read.core.remainder) is ("--" in argv), "what follows -- is the program's"
    assert len(line) <= 80


@each_command
def test_exit_codes_are_of_the_documented_ones(name: str) -> None:
    codes = describe_command(name, TASKS[name]).all_exit_codes
    numbers = [int(code) for code in codes if code.isdigit()]
    assert numbers == sorted(numbers)
    assert set(numbers) <= {*map(int, ExitCode), 125}
    assert all(text[0].islower() for text in codes.values())


def test_global_options_are_invokes_own() -> None:
    program = invoke.program.Program(namespace=collection())
    own = {f"--{name}" for argument in program.core_args() for name in argument.names}
    assert set(GLOBAL_OPTIONS) <= own

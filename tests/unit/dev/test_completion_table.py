"""The tables of the completions, and the scripts that hold them."""

from __future__ import annotations

import pytest

from dev.chores import completions_now, with_chores
from dev.completion_table import FREE, KINDS, Row, table, with_shared, with_table
from repoman_tasks.commands import NAMES
from repoman_tasks.completions import SCRIPTS, script
from tests.support.estate import CHECKOUT

TABLE = table(with_chores())


@pytest.mark.parametrize("shell", SCRIPTS)
def test_the_scripts_are_current(shell: str) -> None:
    assert script(shell).decode() == completions_now()[shell], "run `inv dev.completion`"


@pytest.mark.parametrize("shell", SCRIPTS)
def test_a_checkout_has_them_in_the_folder_completion_too(shell: str) -> None:
    assert (CHECKOUT / "completion" / SCRIPTS[shell]).read_bytes() == script(shell)


@pytest.mark.parametrize("shell", SCRIPTS)
def test_a_script_evaluates_nothing(shell: str) -> None:
    text = with_table(script(shell).decode(), {})
    code = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    words = {word for line in code for word in line.split()}
    assert words & {"eval", "exec", "compgen", "complete-with", "python", "python3"} == set()


def test_a_row_is_one_line_within_quotes() -> None:
    rows = {"x": Row("any", "It's: `odd`"), "x --y": Row("", "")}
    script = "t='\n# begin of the table: x\nold\n# end of the table\n'\n"
    expected = "x:any:It'\\''s: `odd`\nx --y::\n"
    assert with_table(script, rows) == script.replace("old\n", expected)


def test_a_script_without_its_parts_is_reported() -> None:
    with pytest.raises(AssertionError, match="no table"):
        with_table("", TABLE)
    with pytest.raises(AssertionError, match="no shared part"):
        with_shared("", script("bash").decode())


def test_every_command_is_known_with_its_flags() -> None:
    commands = {key for key in TABLE if " " not in key}
    assert {name for name in commands if "." not in name} == {"help", *NAMES}
    assert commands >= {"dev.test", "dev.completion"}
    assert TABLE.keys() >= {"sync --dry-run", "sync --jobs", "sync -j"}
    assert TABLE.keys() >= {"* --yes", "* --no-input", "* --host", "* --help", " --version"}


def test_the_kind_of_every_value_was_thought_of() -> None:
    """A new argument with a value belongs into KINDS, or into FREE where nobody knows it."""
    tasks = [*with_chores().tasks.values()]
    tasks += with_chores().collections["dev"].tasks.values()
    taken = {a.names[0] for task in tasks for a in task.get_arguments() if a.takes_value}
    assert taken == set(KINDS) | set(FREE)
    assert set(KINDS) & set(FREE) == set()


@pytest.mark.parametrize(
    ("key", "kind"),
    [
        *((name, "project") for name in ("sync", "shell", "exec", "start", "status")),
        ("remove", "project!"),
        ("agent", "project list stop=project!"),
        ("snapshot", "project list=project remove=project>snapshot!"),
        *((name, "any!") for name in ("new", "adopt")),
        *((name, "") for name in ("list", "setup", "dev.lint", "help")),
        ("completion", "choice install remove!"),
        ("new --image", "image"),
        ("new --template", "template"),
        ("new --profile", "profile+"),
        ("new --repo", "repo"),
        ("setup --local-repos", "folder"),
        ("sync -j", "any"),
        ("sync --dry-run", ""),
        ("* --host", "host"),
        ("status --missing", "choice recreate forget"),
        ("completion --shell", "choice bash fish zsh"),
        ("dev.test --tier", "any+"),
    ],
)
def test_values_after_a_command_or_flag(key: str, kind: str) -> None:
    assert TABLE[key].kind == kind

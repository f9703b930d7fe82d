"""The man page as text. tests/integration/test_docs.py renders it with mandoc and man."""

from __future__ import annotations

import ast
import re

import pytest

from dev.chores import MANUAL, manual_now
from dev.man_page import ENVIRONMENT, roff
from repoman_tasks import __released__, __version__
from repoman_tasks.commands import collection
from repoman_tasks.errors import ExitCode
from repoman_tasks.model import Defaults, env_name, keys
from tests.support.estate import CHECKOUT

PAGE = manual_now()
SECTIONS = (
    *("NAME", "SYNOPSIS", "DESCRIPTION", "COMMANDS", "COMMON OPTIONS", "EXIT STATUS", "FILES"),
    *("ENVIRONMENT", "EXAMPLES", "SEE ALSO"),
)


def section(title: str) -> str:
    """Return the text below that heading, as it is read."""
    (found,) = re.findall(rf"^\.SH {title}\n(.*?)(?=^\.SH |\Z)", PAGE, re.M | re.S)
    return re.sub(r"\\f[BIR]", "", found).replace("\\-", "-")


def test_the_file_is_current() -> None:
    assert MANUAL.read_text() == PAGE, "run `inv dev.man`"


def test_it_has_its_sections() -> None:
    assert tuple(re.findall(r"^\.SH (.*)$", PAGE, re.M)) == SECTIONS


def test_it_is_of_this_release() -> None:
    assert f'.TH REPOMAN 1 {__released__} "repoman {__version__}"' in PAGE
    assert f"## {__version__} ({__released__})" in (CHECKOUT / "CHANGELOG.md").read_text()


@pytest.mark.parametrize("name", collection().tasks)
def test_every_command_is_documented_with_its_flags(name: str) -> None:
    told = section("COMMANDS").split(f".SS repoman {name} ")[1].split(".SS ")[0]
    told += section("COMMON OPTIONS")
    for argument in collection()[name].get_arguments():
        word = argument.names[0]
        assert re.search(rf"{word.upper()}$" if argument.positional else f"--{word}\\b", told, re.M)
        assert argument.help


def test_every_exit_code_is_documented() -> None:
    assert re.findall(r"^\.TP\n(\d+)$", section("EXIT STATUS"), re.M) == [
        str(int(c)) for c in ExitCode
    ]


_VARIABLE = re.compile(r"(?:REPOMAN|XDG|INCUS|SSH|BASH)_[A-Z_]+")


def read_variables() -> set[str]:
    """Return the environment variables that the code names."""
    found = set()
    for path in (CHECKOUT / "repoman_tasks").rglob("*.py"):
        if "dev" in path.parts or "completions" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            of_environ = isinstance(node, ast.Call | ast.Subscript) and "environ" in ast.unparse(
                node.func if isinstance(node, ast.Call) else node.value
            )
            for inner in ast.walk(node):
                if isinstance(inner, ast.Constant) and isinstance(inner.value, str):
                    name = inner.value
                    if _VARIABLE.fullmatch(name) or (of_environ and re.fullmatch("[A-Z_]+", name)):
                        found.add(name)
    return found


def test_every_variable_that_is_read_is_documented() -> None:
    read = read_variables()
    assert read >= {"REPOMAN_HOST", "REPOMAN_CONFIG", "XDG_STATE_HOME", "SHELL", "LANG"}
    told = set(re.findall(r"^\.TP\n([A-Z_]+)$", section("ENVIRONMENT"), re.M))
    assert read - told == set(), "put them into ENVIRONMENT of dev/manual.py"
    assert told == set(ENVIRONMENT) | {env_name(key) for key in keys(Defaults) if env_name(key)}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a-b", "a\\-b"),
        ("\\n", "\\en"),
        ("it's `x`", "it\\(aqs \\(gax\\(ga"),
        ("…", "\\[u2026]"),
        ("~/x", "\\(ti/x"),
    ],
)
def test_text_is_shown_as_it_is(text: str, shown: str) -> None:
    assert roff(text) == shown


def test_no_line_is_taken_for_a_request() -> None:
    requests = {line.split()[0] for line in PAGE.splitlines() if line.startswith((".", "'"))}
    assert requests <= {'.\\"', ".TH", ".SH", ".SS", ".TP", ".PP", ".br", ".nh", ".ad"}

"""The completions as text, and where they are put."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dev.chores import COMPLETIONS, with_chores
from repoman_tasks.commands import NAMES
from repoman_tasks.completions.command_line import FREE, KINDS, known_commands, scripts
from repoman_tasks.completions.grammar import Command, choice, is_ours
from repoman_tasks.errors import UsageError
from repoman_tasks.planning.completion_files import (
    SHELLS,
    Place,
    check_action,
    foreign,
    next_words,
    places,
    put_steps,
    shell_meant,
    take_steps,
)
from tests.support.estate import CHECKOUT

KNOWN = known_commands(with_chores())
BY_NAME = {command.name: command for command in KNOWN}


@pytest.mark.parametrize("shell", SHELLS)
def test_the_files_are_current(shell: str) -> None:
    file = CHECKOUT / "completion" / COMPLETIONS[shell]
    assert file.read_text() == scripts(with_chores())[shell], "run `inv dev.completion`"


@pytest.mark.parametrize("shell", SHELLS)
def test_a_script_is_known_as_repomans(shell: str) -> None:
    assert is_ours(scripts(with_chores())[shell].encode())


@pytest.mark.parametrize("text", [b"", b"#compdef repoman\n_x\n", b"\xff\x00", b"x\n" * 9])
def test_other_files_are_not(text: bytes) -> None:
    assert not is_ours(text)


@pytest.mark.parametrize("shell", SHELLS)
def test_a_script_evaluates_nothing(shell: str) -> None:
    words = {word for line in scripts(with_chores())[shell].splitlines() for word in line.split()}
    assert words & {"eval", "exec", "compgen", "complete-with", "python", "python3"} <= {"exec"}
    assert shell != "bash" or "exec" in BY_NAME, "a command of repoman's is called so"


def test_every_command_is_known_with_its_flags() -> None:
    assert {c.name for c in KNOWN if not c.chore} == {"", "help", *NAMES}
    assert {c.name for c in KNOWN if c.chore} >= {"dev.test", "dev.completion"}
    flags = {flag.names[0] for flag in BY_NAME["sync"].flags}
    assert flags >= {"--dry-run", "--jobs", "--yes", "--no-input", "--host", "--help"}


def test_the_kind_of_every_value_was_thought_of() -> None:
    """A new argument with a value belongs into KINDS, or into FREE where nobody knows it."""
    tasks = [*with_chores().tasks.values()]
    tasks += with_chores().collections["dev"].tasks.values()
    taken = {a.names[0] for task in tasks for a in task.get_arguments() if a.takes_value}
    assert taken == set(KINDS) | set(FREE)
    assert set(KINDS) & set(FREE) == set()


@pytest.mark.parametrize(
    ("command", "word"),
    [
        *((name, "project") for name in ("sync", "shell", "exec", "start", "status", "remove")),
        *((name, "any") for name in ("new", "adopt")),
        *((name, "") for name in ("list", "setup", "dev.lint")),
        ("completion", choice(("install", "remove"))),
    ],
)
def test_what_stands_behind_a_command(command: str, word: str) -> None:
    assert BY_NAME[command].word == word


def value(command: Command, flag: str) -> str:
    return next(f.value for f in command.flags if flag in f.names)


@pytest.mark.parametrize(
    ("command", "flag", "kind"),
    [
        ("new", "--image", "image"),
        ("new", "--profile", "profile"),
        ("new", "--repo", "repo"),
        ("setup", "--local-repos", "folder"),
        ("sync", "-j", "any"),
        ("sync", "-n", ""),
        ("list", "--host", "host"),
        ("status", "--missing", "choice recreate forget"),
        ("completion", "--shell", "choice bash fish zsh"),
    ],
)
def test_what_a_flag_takes(command: str, flag: str, kind: str) -> None:
    assert value(BY_NAME[command], flag) == kind


# --- where they are put ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shell", "environ", "folder", "names"),
    [
        ("bash", {}, "/h/.local/share/bash-completion/completions", ["repoman", "inv"]),
        ("bash", {"XDG_DATA_HOME": "/d/"}, "/d/bash-completion/completions", ["repoman", "inv"]),
        ("bash", {"BASH_COMPLETION_USER_DIR": "/b"}, "/b/completions", ["repoman", "inv"]),
        ("zsh", {}, "/h/.local/share/zsh/site-functions", ["_repoman"]),
        ("zsh", {"XDG_DATA_HOME": "/d"}, "/d/zsh/site-functions", ["_repoman"]),
        ("zsh", {"XDG_DATA_HOME": "d"}, "/h/.local/share/zsh/site-functions", ["_repoman"]),
        ("fish", {}, "/h/.config/fish/completions", ["repoman.fish", "inv.fish"]),
        ("fish", {"XDG_CONFIG_HOME": "/c"}, "/c/fish/completions", ["repoman.fish", "inv.fish"]),
    ],
)
def test_places(shell: str, environ: dict[str, str], folder: str, names: list[str]) -> None:
    desired = [f"{folder}/{name}" for name in names]
    assert [place.path for place in places(shell, environ, "/h")] == desired


FIRST, SECOND = Place("/r"), Place("/i", yields=True)


def holds(place: Place, text: bytes, *, ours: bool) -> Place:
    return replace(place, found=text, ours=ours)


OLD, OTHERS = holds(FIRST, b"old", ours=True), holds(FIRST, b"others", ours=False)
OLD_INV, OTHERS_INV = holds(SECOND, b"old", ours=True), holds(SECOND, b"others", ours=False)


@pytest.mark.parametrize(
    ("found", "steps"),
    [
        ([FIRST, SECOND], ["write /r", "write /i"]),
        ([holds(FIRST, b"new", ours=True), SECOND], ["write /i"]),
        ([OLD, OLD_INV], ["replace /r", "replace /i"]),
        ([FIRST, OTHERS_INV], ["write /r"]),
        (
            [OTHERS, SECOND],
            ["replace /r, which is not repoman's", "write /i"],
        ),
        ([holds(FIRST, b"", ours=False)], ["replace /r, which is not repoman's"]),
    ],
)
def test_putting(found: list[Place], steps: list[str]) -> None:
    assert [str(step) for step in put_steps(found, "new")] == steps


def test_taking_away_leaves_what_is_not_repomans() -> None:
    found = [OLD, OTHERS_INV]
    assert [str(step) for step in take_steps(found)] == ["delete /r"]
    assert foreign(found) == ["/i"]
    assert take_steps([FIRST, SECOND]) == []


@pytest.mark.parametrize(
    ("given", "login", "shell"),
    [("fish", "/bin/bash", "fish"), ("", "/usr/bin/zsh", "zsh"), ("", "bash", "bash")],
)
def test_shell_meant(given: str, login: str, shell: str) -> None:
    assert shell_meant(given, login) == shell


@pytest.mark.parametrize(("given", "login"), [("dash", "/bin/bash"), ("", "/bin/dash"), ("", "")])
def test_no_such_shell(given: str, login: str) -> None:
    with pytest.raises(UsageError, match="--shell takes bash, fish, zsh"):
        shell_meant(given, login)


@pytest.mark.parametrize(
    ("action", "hint"), [(None, "install"), ("instal", "did you mean install")]
)
def test_no_such_action(action: str | None, hint: str) -> None:
    with pytest.raises(UsageError, match=hint):
        check_action(action)


def test_what_is_next_can_be_pasted() -> None:
    assert "fpath=('/a b/zsh' $fpath)" in next_words("zsh", "/a b/zsh/_repoman")
    assert "source '/a b/repoman'" in next_words("bash", "/a b/repoman")

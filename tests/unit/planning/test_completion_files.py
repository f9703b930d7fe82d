"""Where the completions are put, and what that changes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from repoman_tasks.completions import SCRIPTS, script
from repoman_tasks.errors import UsageError
from repoman_tasks.planning.completion_files import (
    Place,
    check_action,
    foreign,
    is_ours,
    next_words,
    places,
    put_steps,
    shell_meant,
    take_steps,
)


@pytest.mark.parametrize("shell", SCRIPTS)
def test_a_script_is_known_as_repomans(shell: str) -> None:
    assert is_ours(script(shell))


@pytest.mark.parametrize("text", [b"", b"#compdef repoman\n_x\n", b"\xff\x00", b"x\n" * 9])
def test_other_files_are_not(text: bytes) -> None:
    assert not is_ours(text)


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

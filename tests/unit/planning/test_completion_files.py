"""Files of the completions, and steps that install or remove them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from repoman_tasks.completions import SCRIPTS, script
from repoman_tasks.errors import UsageError
from repoman_tasks.planning.completion_files import (
    CompletionFile,
    check_action,
    choose_shell,
    completion_files,
    foreign_paths,
    install_steps,
    is_ours,
    removal_steps,
    usage_hint,
)


@pytest.mark.parametrize("shell", SCRIPTS)
def test_own_scripts_are_recognized(shell: str) -> None:
    assert is_ours(script(shell))


@pytest.mark.parametrize("text", [b"", b"#compdef repoman\n_x\n", b"\xff\x00", b"x\n" * 9])
def test_other_files_are_foreign(text: bytes) -> None:
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
def test_completion_files(
    shell: str, environ: dict[str, str], folder: str, names: list[str]
) -> None:
    paths = [f"{folder}/{name}" for name in names]
    assert [file.path for file in completion_files(shell, environ, "/h")] == paths


FIRST, SECOND = CompletionFile("/r"), CompletionFile("/i", optional=True)


def with_content(file: CompletionFile, text: bytes, *, ours: bool) -> CompletionFile:
    return replace(file, content=text, ours=ours)


OLD, OTHERS = with_content(FIRST, b"old", ours=True), with_content(FIRST, b"others", ours=False)
OLD_INV, OTHERS_INV = (
    with_content(SECOND, b"old", ours=True),
    with_content(SECOND, b"others", ours=False),
)


@pytest.mark.parametrize(
    ("files", "steps"),
    [
        ([FIRST, SECOND], ["write /r", "write /i"]),
        ([with_content(FIRST, b"new", ours=True), SECOND], ["write /i"]),
        ([OLD, OLD_INV], ["replace /r", "replace /i"]),
        ([FIRST, OTHERS_INV], ["write /r"]),
        (
            [OTHERS, SECOND],
            ["replace /r, which is not repoman's", "write /i"],
        ),
        ([with_content(FIRST, b"", ours=False)], ["replace /r, which is not repoman's"]),
    ],
)
def test_install_steps(files: list[CompletionFile], steps: list[str]) -> None:
    assert [str(step) for step in install_steps(files, "new")] == steps


def test_removal_keeps_foreign_files() -> None:
    files = [OLD, OTHERS_INV]
    assert [str(step) for step in removal_steps(files)] == ["delete /r"]
    assert foreign_paths(files) == ["/i"]
    assert removal_steps([FIRST, SECOND]) == []


@pytest.mark.parametrize(
    ("given", "login", "shell"),
    [("fish", "/bin/bash", "fish"), ("", "/usr/bin/zsh", "zsh"), ("", "bash", "bash")],
)
def test_choose_shell(given: str, login: str, shell: str) -> None:
    assert choose_shell(given, login) == shell


@pytest.mark.parametrize(("given", "login"), [("dash", "/bin/bash"), ("", "/bin/dash"), ("", "")])
def test_choose_shell_refuses(given: str, login: str) -> None:
    with pytest.raises(UsageError, match="by --shell: bash, fish, zsh"):
        choose_shell(given, login)


@pytest.mark.parametrize(
    ("action", "hint"), [(None, "install"), ("instal", "did you mean install")]
)
def test_invalid_actions(action: str | None, hint: str) -> None:
    with pytest.raises(UsageError, match=hint):
        check_action(action)


def test_hints_are_quoted_for_the_shell() -> None:
    assert "fpath=('/a b/zsh' $fpath)" in usage_hint("zsh", "/a b/zsh/_repoman")
    assert "source '/a b/repoman'" in usage_hint("bash", "/a b/repoman")

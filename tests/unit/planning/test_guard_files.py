"""Files of the guard for git, and what it knows."""

from __future__ import annotations

from dataclasses import replace

import pytest

from repoman_tasks.errors import Failed, Refused
from repoman_tasks.planning.guard_files import (
    Guard,
    add_folders,
    check_git_version,
    folder_lines,
    guard_findings,
    guard_path,
    install_guard,
    name_lines,
    path_hint,
    remove_guard,
)
from repoman_tasks.planning.steps import DeleteFile, WriteFile

PATH = "/h/.local/share/repoman/bin/git"
TEXT = "#!/bin/sh\n# mark, new\n"


def guard(content: bytes | None) -> Guard:
    return Guard(PATH, TEXT, content, "# mark")


@pytest.mark.parametrize(
    ("content", "verb"), [(None, "write"), (b"#!/bin/sh\n# mark, old\n", "replace")]
)
def test_the_guard_is_written_executable(content: bytes | None, verb: str) -> None:
    assert install_guard(guard(content)) == [WriteFile(f"{verb} {PATH}", PATH, TEXT, True)]


def test_what_is_there_is_left() -> None:
    assert install_guard(guard(TEXT.encode())) == []
    assert remove_guard(guard(None)) == []
    assert remove_guard(guard(b"#!/bin/sh\n# mark, old\n")) == [DeleteFile(PATH)]


@pytest.mark.parametrize("content", [b"", b"#!/bin/sh\n", b"\x7fELF\n\n", b"# mark\n"])
def test_another_program_is_refused(content: bytes) -> None:
    for plan in (install_guard, remove_guard):
        with pytest.raises(Refused):
            plan(guard(content))
    assert guard_findings(guard(content), "/r") == []


def test_another_version_or_an_unknown_folder_is_a_finding() -> None:
    assert len(guard_findings(guard(b"#!/bin/sh\n# mark, old\n"), "/r")) == 1
    knowing = replace(guard(TEXT.encode()), folders=("/r",))
    assert guard_findings(knowing, "/r") == guard_findings(guard(None), "/r") == []
    assert "does not know /other" in guard_findings(knowing, "/other")[0].what


@pytest.mark.parametrize(
    "text", ["git version 2.38.0\n", "git version 3.0.rc1", "git version 2.50"]
)
def test_versions_that_do(text: str) -> None:
    check_git_version(text)


@pytest.mark.parametrize(
    "text", ["git version 2.37.9", "git version 1.9.1", "", "git", "git version x.y"]
)
def test_versions_that_do_not(text: str) -> None:
    with pytest.raises(Failed):
        check_git_version(text)


def test_the_path_is_in_the_data_folder() -> None:
    assert guard_path({}, "/h") == guard_path({"XDG_DATA_HOME": "x"}, "/h") == PATH
    assert guard_path({"XDG_DATA_HOME": "/d"}, "/h") == "/d/repoman/bin/git"


@pytest.mark.parametrize(
    ("shell", "line"),
    [
        (
            "/bin/bash",
            """`PATH="$HOME/.local/share/repoman/bin":"$PATH"` at the end of ~/.bashrc""",
        ),
        ("/bin/zsh", "~/.zshrc"),
        ("", "~/.profile"),
        ("/usr/bin/fish", """`fish_add_path --move "$HOME/.local/share/repoman/bin"`"""),
    ],
)
def test_the_line_for_path_is_that_of_the_shell(shell: str, line: str) -> None:
    assert line in path_hint(PATH, shell, "/h")


def test_folders_are_added_and_never_removed() -> None:
    known = add_folders([], ["/h/repos", "/h/repos/a", "/data", "/", "x", "/a\nb"])
    assert known == ("/data", "/h/repos")
    assert add_folders(known, ["/h/other", "/data/x"]) == ("/data", "/h/repos", "/h/other")
    assert folder_lines(known) == b"/data\n/h/repos\n"
    assert name_lines({"a": "/h/repos/a", "b": "/h/b\n"}) == b"/h/repos/a\ta\n"

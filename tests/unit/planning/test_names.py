"""Names of projects, paths of repos, and values for containers."""

from __future__ import annotations

import posixpath
import re
import string

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from repoman_tasks.errors import Refused, UsageError
from repoman_tasks.planning.names import (
    NAMES_NEVER_VALID,
    RESERVED_NAMES,
    RepoFolders,
    absolute,
    agent_file_fault,
    check_name,
    check_repo,
    inside,
    keep_fault,
    nearest,
    overlapping,
    possible_name,
    real_repo,
    relative_repo,
)
from repoman_tasks.registry.reader import parse

INCUS_LETTERS = frozenset(string.ascii_letters + string.digits + "-")


@pytest.mark.parametrize("name", ["a", "A", "isurus", "a1", "a-b", "x" * 63, "Z9", "a--b", "lists"])
def test_valid_names(name: str) -> None:
    assert check_name(name) == name


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("", id="empty"),
        pytest.param("1a", id="digit first"),
        pytest.param("-a", id="dash first"),
        pytest.param("--help", id="a flag"),
        pytest.param("a-", id="dash last"),
        pytest.param("x" * 64, id="64 characters"),
        pytest.param("a b", id="space"),
        pytest.param("a.b", id="dot"),
        pytest.param("a_b", id="underscore"),
        pytest.param("a/b", id="slash"),
        pytest.param("..", id="dots"),
        pytest.param("a\n", id="newline last"),
        pytest.param("\na", id="newline first"),
        pytest.param("a\0", id="NUL"),
        pytest.param("ä", id="umlaut"),
        pytest.param("a٣", id="digit of another script"),
        pytest.param("a\udcff", id="not UTF-8"),
        pytest.param("$(reboot)", id="shell"),
    ],
)
def test_invalid_names(name: str) -> None:
    with pytest.raises(UsageError, match="is not a valid project name") as caught:
        check_name(name)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", sorted(RESERVED_NAMES))
def test_reserved_names_are_refused_in_any_case(name: str) -> None:
    for spelled in (name, name.upper(), name.title()):
        with pytest.raises(UsageError, match="is a command"):
            check_name(spelled)


@pytest.mark.parametrize("name", ["restore", "agent", "git-guard"])
def test_a_registry_may_have_names_that_were_reserved_later(name: str) -> None:
    with pytest.raises(UsageError, match="is a command"):
        check_name(name)
    assert check_name(name, NAMES_NEVER_VALID) == name
    text = f'[[project]]\nname = "{name}"\nrepo = "x"\n'
    assert [project.name for project in parse(text, "f", {}).projects] == [name]
    with pytest.raises(UsageError, match="line 2: 'sync' is a command"):
        parse(text.replace(name, "sync"), "f", {})


@given(st.text() | st.from_regex(re.compile(r"[a-zA-Z0-9-]{0,70}\n?"), fullmatch=True))
@example("sync")
def test_every_accepted_name_is_valid_in_incus(name: str) -> None:
    try:
        accepted = check_name(name)
    except UsageError:
        return
    assert accepted == name
    assert 1 <= len(name) <= 63
    assert set(name) <= INCUS_LETTERS
    assert name[0] in string.ascii_letters
    assert name[-1] != "-"
    assert name.lower() not in RESERVED_NAMES


@pytest.mark.parametrize(
    ("repo", "plain"),
    [
        ("a", "a"),
        ("a/b", "a/b"),
        ("a//b", "a/b"),
        ("./a", "a"),
        ("a/", "a"),
        ("a/./b/", "a/b"),
        ("with space", "with space"),
        ("...", "..."),
        ("..a", "..a"),
        ("a..", "a.."),
        ("-rf", "-rf"),
        ("$HOME", "$HOME"),
        ("[x]*?", "[x]*?"),
    ],
)
def test_repo_is_normalized(repo: str, plain: str) -> None:
    assert check_repo(repo) == plain


@pytest.mark.parametrize(
    "repo",
    ["", ".", "./", "./.", "..", "../a", "a/..", "a/../b", "a/../../b", "/", "/a", "//a", "a\0b"],
)
def test_invalid_repos(repo: str) -> None:
    with pytest.raises(UsageError):
        check_repo(repo)


SEGMENTS = st.sampled_from(["..", ".", "", "a", "b c", "...", "~", "-", "\n", "é", "*"])


@given(st.lists(SEGMENTS | st.text(max_size=3), max_size=6).map("/".join))
def test_a_repo_is_never_outside_local_repos(repo: str) -> None:
    try:
        plain = check_repo(repo)
    except UsageError:
        return
    path = posixpath.normpath(posixpath.join("/home/me/repos", plain))
    assert path.startswith("/home/me/repos/")
    assert path == f"/home/me/repos/{plain}"
    assert "\0" not in plain


@given(st.lists(SEGMENTS, max_size=6).map("/".join), st.sampled_from(["", "/home/me/repos/", "~/"]))
def test_the_value_of_repo_is_never_outside_local_repos(rest: str, start: str) -> None:
    try:
        relative = relative_repo(start + rest, "/home/me/repos", "/home/me")
    except UsageError:
        return
    path = posixpath.normpath(f"/home/me/repos/{relative}")
    assert path.startswith("/home/me/repos/")


@pytest.mark.parametrize(
    ("given_", "relative"),
    [
        ("a", "a"),
        ("a/b", "a/b"),
        ("/home/me/repos/a", "a"),
        ("/home/me/repos//a/./b", "a/b"),
        ("~/repos/a", "a"),
        ("/home/me/other/../repos/a", "a"),
    ],
)
def test_relative_repo(given_: str, relative: str) -> None:
    assert relative_repo(given_, "/home/me/repos", "/home/me") == relative


@pytest.mark.parametrize(
    "given_",
    [
        *("/home/me/repos", "/home/me/repos/", "/home/me/repos/a/../..", "/home/me/repos2/a"),
        *("~/other", "~", "/", "~other/repos/a", "../a", "/home/me/repos/../a"),
    ],
)
def test_relative_repo_refuses(given_: str) -> None:
    with pytest.raises(UsageError):
        relative_repo(given_, "/home/me/repos", "/home/me")


@pytest.mark.parametrize(
    ("path", "plain"),
    [
        ("/a", "/a"),
        ("~", "/home/me"),
        ("~/", "/home/me"),
        ("~/a/../b", "/home/me/b"),
        ("//a//b/", "/a/b"),
        ("/..", "/"),
        ("/", "/"),
    ],
)
def test_absolute(path: str, plain: str) -> None:
    assert absolute(path, "/home/me") == plain


@pytest.mark.parametrize("path", ["", "a", "./a", "~me/a", "..", "$HOME/a", "/a\0b"])
def test_absolute_refuses(path: str) -> None:
    with pytest.raises(UsageError):
        absolute(path, "/home/me")


@pytest.mark.parametrize(
    ("path", "folder", "is_inside"),
    [
        ("/a/b", "/a", True),
        ("/a", "/a", True),
        ("/ab", "/a", False),
        ("/", "/a", False),
        ("/a", "/", True),
        ("/", "/", True),
    ],
)
def test_inside(path: str, folder: str, is_inside: bool) -> None:
    assert inside(path, folder) is is_inside


@pytest.mark.parametrize(
    ("repo", "others", "other"),
    [
        ("a", [], ""),
        ("a", ["b", "ab", "b/a"], ""),
        ("a", ["b", "a"], "a"),
        ("a", ["a/b"], "a/b"),
        ("a/b", ["c", "a"], "a"),
    ],
)
def test_overlapping(repo: str, others: list[str], other: str) -> None:
    assert overlapping(repo, others) == other


REPOS = st.lists(st.from_regex(r"[ab-]{1,2}(/[ab-]{1,2}){0,2}", fullmatch=True), max_size=6)


@given(REPOS, REPOS)
def test_overlaps_among_many(repos: list[str], others: list[str]) -> None:
    folders = RepoFolders()
    for repo in repos:
        folders.add(repo)
    for other in others:
        found = folders.overlapping(other)
        assert bool(found) == bool(overlapping(other, repos))
        assert not found or (found in repos and overlapping(other, [found]) == found)


def test_real_repo() -> None:
    assert real_repo("/r/a", "/r/a", "/r") == "/r/a"


@pytest.mark.parametrize("real", ["/r", "/elsewhere", "/r2/a", "/"])
def test_real_repo_refuses_links_out_of_local_repos(real: str) -> None:
    with pytest.raises(Refused, match="outside local_repos"):
        real_repo("/r/a", real, "/r")


@pytest.mark.parametrize(
    ("word", "near"),
    [("--drry-run", "--dry-run"), ("--force", "--force"), ("zzz", ""), ("", "")],
)
def test_nearest(word: str, near: str) -> None:
    assert nearest(word, ["--dry-run", "--jobs", "--force"]) == near


@pytest.mark.parametrize("path", ["~/.cache/pip", ".cache/pip", "notes", "~/a b", "..x/y"])
def test_a_folder_to_keep(path: str) -> None:
    assert keep_fault(path) == ""


@pytest.mark.parametrize(
    "path", ["", "~", "~/", "/", "/x", "~x", "..", "../x", "~/../x", ".", "a/../b", "a/", "a//b"]
)
def test_no_folder_to_keep(path: str) -> None:
    assert "is not a folder below the home" in keep_fault(path)


@pytest.mark.parametrize("text", ["~/.claude/CLAUDE.md", "~/a b", "/srv/x:~/x", "~/x:/opt/x"])
def test_a_file_for_agents(text: str) -> None:
    assert agent_file_fault(text) == ""


@pytest.mark.parametrize(
    "text", ["", "x", "/srv/x", "~", "~/", "~/../x", "~/x:", "~/x:y", "~/x:/", "~/x:/a/..", ":/x"]
)
def test_no_file_for_agents(text: str) -> None:
    assert "must be ~/SOURCE or SOURCE:PATH" in agent_file_fault(text)


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("isurus", "isurus"),
        ("my project", "my-project"),
        ("web.log_2", "web-log-2"),
        ("2024", "repo-2024"),
        ("sync", "repo-sync"),
        ("new", "repo-new"),
        ("...", "repo"),
        ("\u6728", "repo"),
        ("x" * 80, "x" * 58),
        ("-rf", "rf"),
    ],
)
def test_a_possible_name_for_a_folder(folder: str, name: str) -> None:
    assert possible_name(folder) == check_name(name)

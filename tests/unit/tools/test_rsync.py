"""The argv of rsync, and its output."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from repoman_tasks.errors import ExitCode
from repoman_tasks.model import Excludes
from repoman_tasks.tools.rsync import (
    Item,
    Kind,
    Preserved,
    exclude_path,
    exit_code,
    filters,
    parse_item,
    parse_progress,
    pass_argv,
    reports_vanished,
    share_lacks,
    status_message,
    unescaped,
)

# --- filters ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("repo", "rules"),
    [
        pytest.param("a", ["+ /a/"], id="plain"),
        pytest.param("a/b", ["+ /a/", "+ /a/b/"], id="deep"),
        pytest.param("with space", ["+ /with space/"], id="space"),
        pytest.param("-rf", ["+ /-rf/"], id="dash first"),
        pytest.param("[x]*?", ["+ /\\[x]\\*\\?/"], id="wildcards"),
        pytest.param("a\\b", ["+ /a\\b/"], id="a backslash alone is read as it is"),
        pytest.param("a\\*", ["+ /a\\\\\\*/"], id="a backslash beside a wildcard is not"),
        pytest.param("a*/b", ["+ /a\\*/", "+ /a\\*/b/"], id="wildcard on the way"),
    ],
)
def test_no_pattern_leaves_out_the_repo_itself(repo: str, rules: list[str]) -> None:
    made = filters(repo, Excludes(("*",)))
    assert sorted(rule for rule in made if rule.startswith("+ /")) == sorted(rules)
    assert max(made.index(rule) for rule in rules) < made.index("- *")


@pytest.mark.parametrize(
    ("repo", "pattern", "rule"),
    [
        ("a", "*.o", "- *.o"),
        ("a", "build/", "- build/"),
        ("a", "/build", "- /a/build"),
        ("a/b", "/x/*.o", "- /a/b/x/*.o"),
        ("[x]", "/build", "- /\\[x]/build"),
        ("[x]", "/*.o", "- /\\[x]/*.o"),
        ("[x]", "*.o", "- *.o"),
        ("a", "-n", "- -n"),
        ("a", "with space", "- with space"),
    ],
)
def test_pattern_of_a_person(repo: str, pattern: str, rule: str) -> None:
    assert filters(repo, Excludes((pattern,)))[-1] == rule


def test_an_empty_pattern_is_none() -> None:
    assert filters("a", Excludes(("", ""))) == filters("a", Excludes())


@pytest.mark.parametrize(
    ("repo", "pattern", "rules"),
    [
        ("a", "build", ["- /a/build", "- /a/**/build"]),
        ("a", "build/", ["- /a/build/***", "- /a/**/build/***"]),
        ("a", "/build", ["- /a/build"]),
        ("a/b", "*.o", ["- /a/b/*.o", "- /a/b/**/*.o"]),
        ("a", "x/*.o", ["- /a/x/*.o", "- /a/**/x/*.o"]),
        ("[x]", "o", ["- /\\[x]/o", "- /\\[x]/**/o"]),
        ("a", "", []),
    ],
)
def test_pattern_of_a_repo(repo: str, pattern: str, rules: list[str]) -> None:
    """It is limited to that repo, and the patterns for git come before it."""
    made = filters(repo, Excludes(("mine",), (pattern,)))
    requested = made[made.index("- mine") + 1 :]
    assert requested[4:] == rules
    assert all(rule.startswith("+ /") and "/.git" in rule for rule in requested[:4])
    assert filters(repo, Excludes(("mine",)))[-1] == "- mine"


@pytest.mark.parametrize("rule", ["- .zfs/", "- .git/*.lock", "- .git/**/tmp_obj_*"])
def test_what_is_never_mirrored(rule: str) -> None:
    assert rule in filters("a", Excludes())


@pytest.mark.parametrize(
    ("path", "rule"),
    [
        ("a/.git/objects", "- /a/.git/objects"),
        ("a*/.git/objects", "- /a\\*/.git/objects"),
        ("a\\b", "- /a\\b"),
    ],
)
def test_exclude_path(path: str, rule: str) -> None:
    assert exclude_path(path) == rule


# --- words -----------------------------------------------------------------------------


def argv(**options: bool | int | None) -> list[str]:
    return pass_argv("/r/", ["a", "-b"], ["- x"], Preserved(), **options)  # type: ignore[arg-type]


def test_sources_stand_after_two_dashes_and_below_the_root() -> None:
    made = argv()
    assert made[made.index("--") :] == ["--", "/r/./a", "/r/./-b", "."]
    assert made[0] == "rsync"


@pytest.mark.parametrize(
    ("options", "there", "not_there"),
    [
        ({}, ["--delete-after"], ["--dry-run", "--info=progress2", "--max-delete"]),
        ({"delete": False}, [], ["--delete-after", "--delete", "--max-delete"]),
        ({"delete": False, "max_delete": 5}, [], ["--delete-after", "--max-delete"]),
        ({"max_delete": 0}, ["--max-delete=0"], []),
        ({"max_delete": 5}, ["--max-delete=5"], []),
        ({"dry_run": True}, ["--dry-run"], []),
        ({"progress": True}, ["--info=progress2"], []),
    ],
)
def test_options(options: dict[str, bool | int], there: list[str], not_there: list[str]) -> None:
    made = argv(**options)
    assert [word for word in there if word not in made] == []
    assert [w for w in made if any(w.startswith(no) for no in not_there)] == []


@pytest.mark.parametrize(
    ("keeps", "there"),
    [
        (Preserved(False, False, False), set()),
        (Preserved(True, True, True), {"--owner", "--group", "--modify-window=-1"}),
        (Preserved(False, True, False), {"--group"}),
    ],
)
def test_unsupported_attributes_of_the_share_are_not_set(keeps: Preserved, there: set[str]) -> None:
    made = pass_argv("/r", ["a"], [], keeps)
    assert {"--owner", "--group", "--modify-window=-1"} & set(made) == there
    assert not {"-a", "--archive", "-o", "-g"} & set(made)


@given(st.text(min_size=1), st.text(min_size=1))
def test_no_name_or_pattern_becomes_an_option(source: str, pattern: str) -> None:
    made = pass_argv("/r", [source], filters("a", Excludes((pattern,))), Preserved())
    before, after = made[: made.index("--")], made[made.index("--") + 1 :]
    assert after == [f"/r/./{source}", "."]
    assert [word for word in before[1:] if not word.startswith("--")] == []
    assert f"--filter={filters('a', Excludes((pattern,)))[-1]}" in before


# --- what it says ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "item"),
    [
        (b">f+++++++++ 12 a/b", Item(Kind.NEW, b"a/b", 12)),
        (b"cd+++++++++ 4096 a/b/", Item(Kind.NEW, b"a/b/", 0)),
        (b"cL+++++++++ 3 a/link -> x", Item(Kind.NEW, b"a/link -> x", 0)),
        (b"hf+++++++++ 9 a/hard", Item(Kind.NEW, b"a/hard", 0)),
        (b">f.st...... 7 a/b", Item(Kind.CHANGED, b"a/b", 7)),
        (b"<f.st...... 7 a/b", Item(Kind.CHANGED, b"a/b", 7)),
        (b".d..t...... 4096 a/", Item(Kind.ATTRIBUTES, b"a/", 0)),
        (b".f...p..... 5 a/b", Item(Kind.ATTRIBUTES, b"a/b", 0)),
        (b"*deleting   0 a/b", Item(Kind.DELETED, b"a/b", 0)),
        (b">f+++++++++ 1  leading", Item(Kind.NEW, b" leading", 1)),
        (b">f+++++++++ 1 a\\#012b", Item(Kind.NEW, b"a\nb", 1)),
        (b">f+++++++++ 1 \xff", Item(Kind.NEW, b"\xff", 1)),
        (b"", None),
        (b"sending incremental file list", None),
        (b"          1,238 100%   10.00MB/s    0:00:00 (xfr#1, to-chk=0/3)", None),
        (b">f+++++++++ 12 ", None),
        (b'skipping non-regular file "a"', None),
        (b"rsync: [sender] x", None),
    ],
)
def test_parse_item(line: bytes, item: Item | None) -> None:
    assert parse_item(line) == item


@pytest.mark.parametrize(
    ("escaped", "plain"),
    [
        (b"a", b"a"),
        (b"\\#012", b"\n"),
        (b"\\#377\\#000", b"\xff\0"),
        (b"\\#134#012", b"\\#012"),
        (b"\\#12", b"\\#12"),
        (b"\\n", b"\\n"),
        (b"\\#089", b"\\#089"),
    ],
)
def test_unescaped(escaped: bytes, plain: bytes) -> None:
    assert unescaped(escaped) == plain


@pytest.mark.parametrize(
    ("line", "progress"),
    [
        (b"          1,238 100%   10.00MB/s    0:00:00 (xfr#1, to-chk=0/3)", (1238, 100)),
        (b"              0   0%    0.00kB/s    0:00:00", (0, 0)),
        (b" 99,999,999,999  47%  1.00GB/s", (99999999999, 47)),
        (b">f+++++++++ 12 a", None),
        (b"", None),
    ],
)
def test_parse_progress(line: bytes, progress: tuple[int, int] | None) -> None:
    assert parse_progress(line) == progress


@pytest.mark.parametrize(
    ("line", "is_so"),
    [
        (b'file has vanished: "/r/a/b"', True),
        (b'directory has vanished: "/r/a/b"', True),
        (b"rsync warning: some files vanished before they could be transferred", False),
        (b'rsync: open "file has vanished: x" failed', False),
    ],
)
def test_vanished(line: bytes, is_so: bool) -> None:
    assert reports_vanished(line) is is_so


@pytest.mark.parametrize(
    ("status", "says", "code"),
    [
        (0, "status 0", ExitCode.OK),
        (24, "vanished", ExitCode.OK),
        (23, "could not be copied", ExitCode.SOME_FAILED),
        (25, "max_delete", ExitCode.REFUSED),
        (1, "version 3.2 or newer", ExitCode.SOME_FAILED),
        (12, "broke off", ExitCode.SOME_FAILED),
        (-9, "signal 9", ExitCode.SOME_FAILED),
        (137, "signal 9", ExitCode.SOME_FAILED),
        (99, "status 99", ExitCode.SOME_FAILED),
    ],
)
def test_exit_status(status: int, says: str, code: ExitCode) -> None:
    assert says in status_message(status)
    assert exit_code(status) is code


@pytest.mark.parametrize("status", [1, 2, 3, 5, *range(10, 15), *range(20, 26), 30, 35])
def test_every_documented_status_has_a_sentence(status: int) -> None:
    assert str(status) not in status_message(status)


@pytest.mark.parametrize(
    ("complaint", "lack"),
    [
        ('[receiver] mkstemp "/n/x/.a:b.sb8upa" failed: Invalid argument (22)', "allow a name"),
        ('[generator] recv_generator: mkdir "/n/a?" failed: Invalid argument (22)', "allow a name"),
        ('[generator] symlink "/n/l" -> "ok" failed: Operation not permitted (1)', "no symlinks"),
        ('[generator] symlink "/n/l" -> "o" failed: Operation not supported (95)', "no symlinks"),
        ('[receiver] mkstemp "/n/.x.abcdef" failed: File name too long (36)', "too long"),
        ('[receiver] mkstemp "/n/.x.abcdef" failed: Permission denied (13)', ""),
        ('[sender] readlink_stat("/r/x") failed: Invalid argument (22)', ""),
    ],
)
def test_what_a_share_cannot_hold(complaint: str, lack: str) -> None:
    found = share_lacks(f"rsync: {complaint}")
    assert lack in found
    assert bool(found) is bool(lack)

"""The entries that a full comparison has to send, by listings of repo and mirror."""

from __future__ import annotations

import pytest

from repoman_tasks.planning.mirror.pair_differences import by_repo, find_candidates


def line(path: str, kind: str = "f", mode: str = "644", size: int = 1) -> bytes:
    return f"{kind} - {mode} {size} 7.0 ./r/{path}".encode()


@pytest.mark.parametrize(
    ("ours", "theirs", "paths", "trees", "gone"),
    [
        ([], [], [], [], 0),
        ([line("a")], [line("a", size=2)], ["a"], [], 0),
        ([line("a")], [], [], ["a"], 0),
        ([], [line("a")], [], ["a"], 1),
        ([line("d", "d"), line("d/x"), line("d/e", "d")], [], [], ["d"], 0),
        ([], [line("d", "d"), line("d/x")], [], ["d"], 2),
        ([line("d", "d"), line("d/x")], [line("d", "d", mode="700")], ["d"], ["d/x"], 0),
        ([line("d", "d"), line("d/x")], [line("d")], [], ["d"], 0),
        ([line("d")], [line("d", "d"), line("d/x")], [], ["d"], 1),
        ([line("s", "o")], [], [], [], 0),
        ([], [line("s", "o")], [], ["s"], 1),
    ],
)
def test_candidates(
    ours: list[bytes], theirs: list[bytes], paths: list[str], trees: list[str], gone: int
) -> None:
    found = find_candidates("r", ours, theirs)
    assert found.paths == {path.encode() for path in paths}
    assert found.trees == {path.encode() for path in trees}
    assert found.gone == gone


@pytest.mark.parametrize(
    ("kind", "ours", "theirs"), [("f", "4755", "755"), ("f", "0", "400"), ("d", "0", "500")]
)
def test_modes_that_rsync_makes_harmless(kind: str, ours: str, theirs: str) -> None:
    lines = [line("a", kind, ours)], [line("a", kind, theirs)]
    assert not find_candidates("r", *lines, chmod=True).paths
    assert find_candidates("r", *lines).paths == {b"a"}


def hard(inode: int, *paths: str) -> list[bytes]:
    return [f"h - 1 {inode} 0 ./r/{path}".encode() for path in paths]


def test_names_of_one_file() -> None:
    """Only those within the repo count; inodes differ on both sides."""
    ours = [*hard(1, "a", "b"), *hard(2, "c", "d"), *hard(3, "e")]
    theirs = [*hard(9, "d", "c"), *hard(8, "a", "x")]
    assert find_candidates("r", ours, theirs).paths == {b"a", b"b", b"x"}


def test_names_of_a_file_of_which_one_is_to_be_deleted() -> None:
    theirs = [line("x"), *hard(8, "x", "y")]
    assert find_candidates("r", [], theirs).unlinked == {b"y"}
    assert find_candidates("r", [line("x", "d")], theirs).unlinked == {b"y"}
    assert find_candidates("r", [line("x", size=2)], theirs).unlinked == set()


def test_lines_by_repo() -> None:
    root = b"d - 755 0 7.0 ./r"
    link = b"l - 0 6 7.0 ./s/t/l -> ./r/xx"
    found = by_repo([root, line("a\nb"), link], ["r", "s/t"])
    assert found == {"r": [root, line("a\nb")], "s/t": [link]}
    assert find_candidates("s/t", [link], []).trees == {b"l"}

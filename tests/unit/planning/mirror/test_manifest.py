"""Find what a sync has to send, by the lines in which a manifest and a walk differ."""

from __future__ import annotations

from dataclasses import replace

import pytest

from repoman_tasks.planning.mirror import manifest
from repoman_tasks.planning.mirror.manifest import (
    Changes,
    Losses,
    changed_paths,
    find_losses,
    find_written,
    one_is_in,
)


def line(path: bytes, kind: bytes = b"f", **fields: bytes) -> bytes:
    """Return the line of an entry, as find prints it."""
    given = {b"inode": b"7", b"size": b"5", b"mtime": b"1.5", b"ctime": b"1.5", b"links": b"1"}
    given |= {key.encode(): value for key, value in fields.items()}
    words = [
        b"1",
        kind,
        given.get(b"mode", b"644"),
        b"1000",
        b"1000",
        given[b"inode"],
        given[b"size"],
    ]
    words += [given[b"mtime"], given[b"ctime"]] + [given[b"links"]] * (kind != b"d")
    return b" ".join([*words, path])


def find_changes(old: list[bytes], new: list[bytes], before: list[bytes]) -> Changes:
    """Return what has to be sent, without what that takes from the mirror."""
    return replace(manifest.find_changes(old, new, before), losses=Losses())


def folder(path: bytes, **fields: bytes) -> bytes:
    return line(path, b"d", **fields)


def recent(path: bytes, kind: bytes = b"f", since: bytes = b"9.1") -> bytes:
    return b"recent %b %b %b" % (since, kind, path)


def test_nothing_differs() -> None:
    assert find_changes([], [], []) == Changes(frozenset(), frozenset())


def test_a_changed_file_and_a_new_folder() -> None:
    old = [line(b"a/x"), folder(b"")]
    new = [line(b"a/x", size=b"6"), folder(b"", ctime=b"2.0"), folder(b"b"), line(b"b/y")]
    assert find_changes(old, new, []) == Changes(
        frozenset({b"", b"a/x", b"b", b"b/y"}), frozenset()
    )


def test_what_is_gone() -> None:
    """A folder that is gone is named once, with all that it held."""
    old = [folder(b"a"), line(b"a/x"), folder(b"a/b"), line(b"a/b/y"), line(b"a/b/z")]
    found = find_changes(old, [folder(b"a", ctime=b"2.0")], [])
    assert found == Changes(frozenset({b"a"}), frozenset({b"a/x", b"a/b"}), gone=4)


@pytest.mark.parametrize("kind", [b"f", b"l"])
def test_a_folder_that_became_another_kind(kind: bytes) -> None:
    old = [folder(b"a/b"), line(b"a/b/x")]
    found = find_changes(old, [line(b"a/b", kind)], [])
    assert found == Changes(frozenset({b"a/b"}), frozenset({b"a/b/x"}), gone=1)


def test_an_edit_that_keeps_size_and_time() -> None:
    assert find_changes([line(b"x")], [line(b"x", ctime=b"2.0")], []).contents
    assert find_changes([line(b"x")], [line(b"x", inode=b"8")], []).contents, "moved over it"
    assert not find_changes([line(b"x")], [line(b"x", mtime=b"2.0")], []).contents
    assert not find_changes([line(b"x")], [line(b"x", b"l", ctime=b"2.0")], []).contents
    assert not find_changes([folder(b"x")], [folder(b"x", ctime=b"2.0")], []).contents


def test_what_changed_just_before_the_walk_is_compared_by_content() -> None:
    """Another change within the same tick of the clock would not show."""
    found = find_changes([recent(b"x"), recent(b"a", b"d")], [], [])
    assert found == Changes(frozenset({b"a", b"x"}), frozenset(), contents=True)
    assert find_changes([], [recent(b"x")], []).contents, "the clock was set back"
    found = find_changes([line(b"x"), recent(b"x")], [], [])
    assert found == Changes(frozenset(), frozenset({b"x"}), gone=1), "gone since"
    found = find_changes([line(b"x"), recent(b"x")], [folder(b"x")], [])
    assert found == Changes(frozenset({b"x"}), frozenset()), "it has another kind now"


def test_what_was_written_during_the_last_sync_is_compared_by_content() -> None:
    """The mirror may have what it held in between."""
    found = find_changes([line(b"x")], [line(b"x", size=b"6")], [b"x"])
    assert found == Changes(frozenset({b"x"}), frozenset(), contents=True)
    same = find_changes([], [], [b"came and went, or is as before", b"a/"])
    assert same.paths == {b"came and went, or is as before"}
    assert same.trees == {b"a"}
    assert same.contents
    gone = find_changes([line(b"x"), folder(b"a")], [folder(b"x")], [b"x", b"a/"])
    assert gone.trees == {b"x", b"a"}, "one has another kind, and one went"


def test_special_files_are_not_sent() -> None:
    found = find_changes([line(b"p", b"p")], [line(b"s", b"s")], [])
    assert found == Changes(frozenset(), frozenset({b"p"}), gone=0)


def test_names_of_any_bytes() -> None:
    names = {b" x", b"x ", b"a\nb", b"-x", b"\xff", b"1 d 2", b"recent 1 f x", b"\\x"}
    assert find_changes([], [line(name) for name in names], []).paths == names
    assert find_changes([recent(name) for name in names], [], []).paths == names


@pytest.mark.parametrize("bad", [b"", b"1 f 644", b"recent 1"])
def test_a_line_of_another_form(bad: bytes) -> None:
    with pytest.raises(ValueError, match="values to unpack"):
        find_changes([bad], [], [])


def test_what_a_sync_takes_from_the_mirror() -> None:
    """Contents of files, of which those that become something else are gone."""
    old = [line(b"x"), line(b"y"), line(b"z"), line(b"e", size=b"0"), line(b"p"), line(b"l", b"l")]
    new = [line(b"x", size=b"6"), line(b"y", size=b"0"), line(b"e", size=b"0", ctime=b"2.0")]
    new += [line(b"p", b"p"), line(b"n")]
    found = Losses(frozenset({b"x", b"y", b"e"}), frozenset({b"y"}), frozenset({b"z", b"p"}))
    assert find_losses(old, new) == found
    assert manifest.find_changes(old, new, []).losses == found
    assert not find_losses([], new)


def test_paths_that_differ() -> None:
    old, new = [line(b"x"), recent(b"y")], [line(b"x", size=b"6"), folder(b"z")]
    assert changed_paths(old, new) == {b"x", b"z"}


def test_what_was_written_during_a_sync() -> None:
    """In a folder that changed, rsync may have read anything."""
    old, new = [line(b"x"), line(b"a/b/y")], [line(b"x", ctime=b"2.0"), line(b"a/b/y", size=b"6")]
    assert written(old, new, None) == {b"x", b"a/b/y"}
    assert written([], [], None) == set()
    assert written([recent(b"x")], [recent(b"x", since=b"9.2")], None) == set()
    new = [*new, folder(b"a", ctime=b"2.0")]
    assert find_written(old, new, None) is None
    sent = Changes(frozenset({b"", b"a", b"a/z", b"b/x"}), frozenset({b"a/b/c", b"b"}))
    assert written(old, new, sent) == {b"x", b"a/b/y", b"a/z", b"a/b/c/"}
    whole = Changes(frozenset(), frozenset({b"a"}))
    assert written(old, new, whole) == {b"x", b"a/b/y", b"a/"}
    assert written([folder(b"")], [], sent) == {b"a", b"a/z", b"b/x", b"a/b/c/", b"b/"}


def written(old: list[bytes], new: list[bytes], sent: Changes | None) -> set[bytes]:
    found = find_written(old, new, sent)
    assert found is not None
    return set(found)


def test_paths_in_git_directories() -> None:
    assert one_is_in([b"a/.git/refs/x"], [b"b", b"a/.git"])
    assert one_is_in([b"a/.git"], [b"a/.git"])
    assert one_is_in([b"x"], [b""]), "a bare repo"
    assert not one_is_in([b"a", b"a/.gitx", b""], [b"a/.git"])
    assert not one_is_in([], [b""])


@pytest.mark.parametrize(
    ("mode", "kind", "found"),
    [(b"444", b"f", {b"b"}), (b"644", b"f", set()), (b"555", b"d", set())],
)
def test_names_of_a_file_of_which_one_is_gone(mode: bytes, kind: bytes, found: set[bytes]) -> None:
    """rsync makes it writable to delete that name."""
    old = [line(b"a", kind, mode=mode), line(b"b", mode=mode), line(b"c", inode=b"8", mode=mode)]
    new = [line(b"b", ctime=b"2.0", mode=mode)]
    assert manifest.find_changes(old[:2], new, []).unlinked == found
    turned = [*new, folder(b"a", inode=b"9")]
    assert manifest.find_changes(old[:2], turned, []).unlinked == (found if kind == b"f" else set())
    assert manifest.find_changes(old[2:], new, []).unlinked == set()

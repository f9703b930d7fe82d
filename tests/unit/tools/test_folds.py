"""Which entries a share that does not tell case leaves out."""

from __future__ import annotations

import itertools

from repoman_tasks.hosts.base import Entry
from repoman_tasks.tools.file_tree import Folds


def folded(*paths: bytes) -> dict[bytes, bytes]:
    folds = Folds()
    list(folds.seeing(Entry("f", path, 1, 1, 1, 1) for path in paths))
    return folds.folded()


def test_the_first_of_the_names_is_kept_whatever_the_order_of_the_walk() -> None:
    names = (b"makefile", b"Makefile", b"MAKEFILE", b"other")
    for order in itertools.permutations(names):
        assert folded(*order) == {b"makefile": b"MAKEFILE", b"Makefile": b"MAKEFILE"}


def test_a_folder_is_left_out_with_all_that_it_holds() -> None:
    assert folded(b"docs", b"Docs", b"docs/a", b"Docs/a", b"docs/b") == {b"docs": b"Docs"}


def test_names_in_different_folders_are_different() -> None:
    assert folded(b"a/Makefile", b"b/makefile", b"a", b"b", b"\xff", b"\xc3\x84") == {}
    assert folded(b"\xc3\x84", b"\xc3\xa4") == {b"\xc3\xa4": b"\xc3\x84"}

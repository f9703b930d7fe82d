"""Walks in files, and their comparison."""

from __future__ import annotations

import pytest

from repoman_tasks.errors import Interrupted
from repoman_tasks.hosts import kept_walks
from repoman_tasks.hosts.kept_walks import KeptWalk, difference


def kept(*lines: bytes) -> bytes:
    walk = KeptWalk()
    walk.feed(b"".join(line + b"\0" for line in lines))
    return walk.finish()[1]


def test_the_lines_that_one_walk_has() -> None:
    old, new = kept(b"a", b"b", b"c"), kept(b"b", b"d", b"a")
    assert difference(old, new) == ((b"c",), (b"d",))


def test_a_comparison_can_be_ended() -> None:
    def stop() -> None:
        raise Interrupted("interrupted")

    with pytest.raises(Interrupted):
        difference(kept(b"a"), kept(b"b"), stop)


def test_a_walk_that_is_too_long_is_not_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_walks, "_MOST_BYTES", 10)
    walk = KeptWalk()
    walk.feed(b"x" * 10)
    assert walk.whole
    walk.feed(b"x")
    assert not walk.whole

"""Parse the answers of the shells of another host."""

from __future__ import annotations

import base64

import pytest

from repoman_tasks.errors import Failed
from repoman_tasks.hosts.base import Result, TimedOut
from repoman_tasks.hosts.ssh.answers import Answer, entries_of, look_of

ROOT = b"d 1 2 3.0 4.0 5 \0"
FILE = b"f 6 7 8.0000000090 10.0 1 a b\0"
WORDS = ("find", "/r")


def look(out: bytes, err: bytes) -> Answer:
    """An answer of a program that ran beside the others."""
    lines = (b"o" + base64.b64encode(out), b"e" + base64.b64encode(err))
    return Answer("", b"\n".join(lines) + b"\n", b"")


def test_a_look_that_came() -> None:
    done = look_of(WORDS, "looked", look(b"o\xff\n", b"e1\ne2\n\n3\n"))
    assert (done.code, done.out, done.complaint) == (3, b"o\xff\n", "e2")
    assert look_of(WORDS, "looked", look(b"", b"\n0\n")).err == b""


@pytest.mark.parametrize("out", [b"", b"oYQ==\n", b"oYQ==\neYQ==\n", b"oY\neYQ==\n", b"eCjAK\n"])
def test_a_look_that_did_not_come_whole(out: bytes) -> None:
    with pytest.raises(Failed, match="the output of find did not arrive"):
        look_of(WORDS, "looked", Answer("", out, b""))


def test_a_look_that_was_ended() -> None:
    with pytest.raises(TimedOut, match="find did not answer in time"):
        look_of(WORDS, "looked", look(b"half", b"\n137\n"))


def test_a_walk() -> None:
    (entry,) = entries_of("/r", Result(WORDS, 0, ROOT + FILE))
    assert (entry.kind, entry.path, entry.mtime_ns) == ("f", b"a b", 8_000_000_009)
    assert list(entries_of("/r", Result(WORDS, 0, ROOT))) == []


@pytest.mark.parametrize(
    ("out", "err", "why"),
    [
        (ROOT, b"find: '/r': Permission denied\n", "permission denied"),
        (b"", b"find: '/r': No such file or directory\n", "no such file or directory"),
        (b"l 1 2 3.0 4.0 1 \0", b"", "not a directory"),
        (FILE, b"", "not a directory"),
        (ROOT + FILE, b"find: '/r/x': Input/output error\n", "input/output error"),
    ],
)
def test_a_walk_that_can_not_be(out: bytes, err: bytes, why: str) -> None:
    with pytest.raises(Failed, match="/r can't be read") as caught:
        list(entries_of("/r", Result(WORDS, 1 if err else 0, out, err)))
    assert caught.value.cure == why


def test_a_walk_passes_over_what_is_closed_below() -> None:
    said = b"find: '/r/x': Permission denied\n"
    assert len(list(entries_of("/r", Result(WORDS, 1, ROOT + FILE, said)))) == 1

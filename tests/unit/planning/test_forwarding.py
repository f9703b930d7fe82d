"""Ports that are forwarded."""

from __future__ import annotations

import shlex

import pytest

from repoman_tasks.errors import UsageError
from repoman_tasks.planning.forwarding import (
    Forward,
    in_use,
    needs_root,
    parse_forwards,
    split_name,
    url,
)


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["3000"], [Forward(3000, 3000)]),
        (["80:8080", "5432"], [Forward(80, 8080), Forward(5432, 5432)]),
        (["65535:1"], [Forward(65535, 1)]),
        (["3000:0", "3001:0"], [Forward(3000, 0), Forward(3001, 0)]),
        (["3000", "3000:3001"], [Forward(3000, 3000), Forward(3000, 3001)]),
    ],
)
def test_ports(words: list[str], found: list[Forward]) -> None:
    assert parse_forwards(words) == found
    assert [str(one) for one in found] == words


@pytest.mark.parametrize(
    "word",
    [
        "",
        "x",
        "0",
        "65536",
        "1:65536",
        "1:",
        ":1",
        "1:2:3",
        "-1",
        "1 ",
        "1\n",
        "\u0663",
        "0x10",
        "999999",
    ],
)
def test_what_is_no_port(word: str) -> None:
    with pytest.raises(UsageError, match="is not a port"):
        parse_forwards([word])


@pytest.mark.parametrize("words", [["1", "1"], ["3000", "80:3000"]])
def test_a_port_here_is_given_once(words: list[str]) -> None:
    with pytest.raises(UsageError, match="was given twice"):
        parse_forwards(words)


def test_none() -> None:
    with pytest.raises(UsageError, match="forward needs a port"):
        parse_forwards([])


def test_a_first_word_that_is_a_port_is_no_name() -> None:
    assert split_name("3000", ["3001"]) == (None, ["3000", "3001"])
    assert split_name("isurus", ["3000"]) == ("isurus", ["3000"])
    assert split_name(None, []) == (None, [])


def test_the_cure_names_all_ports() -> None:
    wanted = [Forward(80, 80), Forward(3000, 3000)]
    for error, words in (
        (needs_root("isurus", wanted, wanted[0]), ["80:8080", "3000"]),
        (in_use("isurus", wanted, wanted[1], 3001), ["80", "3000:3001"]),
        (in_use("isurus", wanted, wanted[1], 0), ["80", "3000:0"]),
    ):
        command = error.cure.split("`")[1]
        assert shlex.split(command) == ["repoman", "forward", "isurus", *words]
        parse_forwards(words)


def test_the_address_for_a_browser() -> None:
    assert url("isurus", 3000, resolves=True) == "http://isurus.localhost:3000"
    assert url("isurus", 3000, resolves=False) == "http://localhost:3000"

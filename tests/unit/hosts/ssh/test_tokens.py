"""The tokens of ssh_config, and a ProxyCommand that needs no shell."""

from __future__ import annotations

import pytest

from repoman_tasks.hosts.ssh.tokens import Tokens, split_command

TOKENS = Tokens({"%": "%", "h": "nas", "p": "22", "r": "dev"}, {"HOME": "/h", "A": "/a"}, "/home/x")


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ("~/.ssh/id_%r@%h", "/home/x/.ssh/id_dev@nas"),
        ("~", "/home/x"),
        ("${A}/k", "/a/k"),
        ("${NONE}/k", "${NONE}/k"),
        ("/100%%/%h", "/100%/nas"),
        ("/unknown/%Z", "/unknown/%Z"),
        ("/a b", "/a b"),
    ],
)
def test_a_path(value: str, path: str) -> None:
    assert TOKENS.path(value) == path


def test_none_is_no_path() -> None:
    assert TOKENS.paths(["none", "", "None", "/a"]) == ("/a",)


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ("SSH_AUTH_SOCK", ""),
        ("$A", "/a"),
        ("$NONE", ""),
        ("${A}/s", "/a/s"),
        ("/run/%r", "/run/dev"),
        ("", ""),
    ],
)
def test_a_socket(value: str, path: str) -> None:
    assert TOKENS.socket(value) == path


@pytest.mark.parametrize(
    ("line", "argv"),
    [
        ("nc %h %p", ["nc", "nas", "22"]),
        ("ssh -W [%h]:%p gate", ["ssh", "-W", "[nas]:22", "gate"]),
        ("~/bin/proxy --user '%r'", ["/home/x/bin/proxy", "--user", "dev"]),
        ('sh -c "a; b %h"', ["sh", "-c", "a; b nas"]),
        ("sh -c 'a $0 | b' %h", ["sh", "-c", "a $0 | b", "nas"]),
        ("nc %h %p | tee log", []),
        ("nc $PROXY %p", []),
        ('sh -c "a $PROXY"', []),
        ("nc `proxy` %p", []),
        ("a && b", []),
        ("PROXY=x nc %h %p", []),
        ("nc 'x", []),
        ("", []),
    ],
)
def test_a_command(line: str, argv: list[str]) -> None:
    assert split_command(line, TOKENS) == argv

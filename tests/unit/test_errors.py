"""Commands that messages suggest, adapted to another host."""

from __future__ import annotations

import os
import subprocess

import pytest

from repoman_tasks.errors import Failed, one_line, quoted, with_host_option
from repoman_tasks.planning.findings import Finding


@pytest.mark.parametrize(
    ("text", "typed"),
    [
        ("list them with `repoman list`", "list them with `repoman list --host nas`"),
        ("`repoman sync isurus --force`", "`repoman sync isurus --force --host nas`"),
        ("`repoman exec NAME -- WORDS…`", "`repoman exec NAME --host nas -- WORDS…`"),
        ("`repoman stop a`, or `repoman start a`", None),
        ("`ssh nas` accepts it; `repoman` alone", "`ssh nas` accepts it; `repoman` alone"),
        ("nothing", "nothing"),
    ],
)
def test_commands_are_typed_for_a_host(text: str, typed: str | None) -> None:
    both = "`repoman stop a --host nas`, or `repoman start a --host nas`"
    assert with_host_option("nas", text) == (typed or both)
    assert with_host_option("", text) == text


NAMES = (
    *(
        "isurus",
        "a b",
        "it's",
        '"',
        "$(id)",
        "`id`",
        "a`id`'b",
        "x; id",
        "$HOME",
        "~",
        "*",
        "\\",
        "!!",
    ),
    *("a\nid", "\x1b[2J`id`", "\u202egnp", "naïve", "ü`", "\udcff", "a\\`", "--force", "#", ""),
)
"""Names that add text to a command, or end it, where they are not quoted."""


@pytest.mark.parametrize("name", NAMES)
def test_a_command_in_a_cure_can_be_pasted(name: str) -> None:
    """bash gets the name itself from what is between the backticks of the printed line."""
    error = Failed(f"{name} is gone", f"run `printf %s {quoted(name, 'last')}`, or try again")
    error.where = "nas"
    _, command, _ = str(error).split("`")
    said = subprocess.run(["bash", "-c", command], capture_output=True, check=True).stdout
    assert said == os.fsencode(name + "last")


@pytest.mark.parametrize("name", NAMES)
def test_only_a_cure_has_commands(name: str) -> None:
    finding = Finding("isurus", f"renamed to {name}", "run `repoman status`")
    assert "`" not in finding.what
    assert finding.what == f"renamed to {name}".replace("`", r"\x60")
    assert one_line(finding.what).isprintable()


def test_an_error_says_where_it_was() -> None:
    error = Failed("no such project", "`repoman list`")
    assert str(error) == "no such project: `repoman list`"
    error.where = "nas"
    assert str(error) == "nas: no such project: `repoman list --host nas`"

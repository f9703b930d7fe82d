"""Commands that messages suggest, adapted to another host."""

from __future__ import annotations

import pytest

from repoman_tasks.errors import Failed, with_host_option


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


def test_an_error_says_where_it_was() -> None:
    error = Failed("no such project", "`repoman list`")
    assert str(error) == "no such project: `repoman list`"
    error.where = "nas"
    assert str(error) == "nas: no such project: `repoman list --host nas`"

"""Layout of tables and lines on a terminal."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from repoman_tasks.planning.text.layout import (
    GAP,
    Column,
    cell_width,
    fit_columns,
    fit_lines,
    line_breaks,
    shorten,
)


@pytest.mark.parametrize(
    ("text", "count"),
    [("", 0), ("isurus", 6), ("é", 1), ("e\u0301", 1), ("木", 2), ("…", 1), ("木a木", 5)],
)
def test_cell_width(text: str, count: int) -> None:
    assert cell_width(text) == count


@pytest.mark.parametrize(
    ("text", "width", "shown"),
    [
        ("isurus", 6, "isurus"),
        ("isurus", 5, "is…us"),
        ("isurus", 4, "is…s"),
        ("isurus", 2, "i…"),
        ("isurus", 1, "…"),
        ("", 1, ""),
        ("/home/dev/repos/isurus", 14, "/home/d…isurus"),
        ("images:ubuntu/26.04/cloud", 16, "images:u…4/cloud"),
        ("木木木木", 5, "木…木"),
        ("木木木木", 6, "木…木"),
        ("aaae\u0301bbb", 5, "aa…bb"),
        ("aaaae\u0301", 3, "a…e\u0301"),
        ("aaa木\u0301a", 4, "aa…a"),  # the combining mark went with its character
    ],
)
def test_shorten(text: str, width: int, shown: str) -> None:
    assert shorten(text, width) == shown


@given(st.text(st.characters(codec="utf-8", categories=("L", "M", "N", "P", "S"))), st.integers(1))
def test_shortened_text_fits_and_keeps_both_ends(text: str, width: int) -> None:
    short = shorten(text, width)
    assert cell_width(short) <= width
    if short != text:
        head, _, tail = short.partition("…")
        assert "…" in short
        assert text.startswith(head)
        assert text.endswith(tail) or "…" in text


NAME, STATE = Column("NAME"), Column("STATE")
REPO = Column("REPO", min_width=14, drop_order=2)
IMAGE = Column("IMAGE", min_width=14, drop_order=1)
COLUMNS = (NAME, STATE, REPO, IMAGE)


@pytest.mark.parametrize(
    ("needed", "width", "widths"),
    [
        pytest.param((6, 7, 22, 25), 80, {0: 6, 1: 7, 2: 22, 3: 25}, id="all fit"),
        pytest.param((6, 7, 22, 25), 66, {0: 6, 1: 7, 2: 22, 3: 25}, id="exact fit"),
        pytest.param((6, 7, 22, 25), 60, {0: 6, 1: 7, 2: 21, 3: 20}, id="long ones shrink"),
        pytest.param((6, 7, 16, 25), 60, {0: 6, 1: 7, 2: 16, 3: 25}, id="a short one stays whole"),
        pytest.param((6, 7, 22, 25), 47, {0: 6, 1: 7, 2: 14, 3: 14}, id="to the minimum"),
        pytest.param((6, 7, 22, 25), 46, {0: 6, 1: 7, 2: 22}, id="the first is dropped"),
        pytest.param((6, 7, 22, 25), 35, {0: 6, 1: 7, 2: 18}, id="the next shrinks"),
        pytest.param((6, 7, 22, 25), 30, {0: 6, 1: 7}, id="and is dropped"),
        pytest.param((6, 7, 22, 25), 15, {0: 6, 1: 7}, id="the rest just fits"),
        pytest.param((6, 7, 22, 25), 12, {0: 5, 1: 5}, id="or shrinks"),
        pytest.param((6, 7, 22, 25), 2, {0: 1, 1: 1}, id="at least one cell each"),
        pytest.param((63, 12, 5, 5), 80, {0: 63, 1: 12}, id="the longest name"),
    ],
)
def test_fit_columns(needed: tuple[int, ...], width: int, widths: dict[int, int]) -> None:
    assert fit_columns(COLUMNS, needed, width) == widths


@given(st.lists(st.integers(1, 100), min_size=4, max_size=4), st.integers(10, 300))
def test_any_row_fits(needed: list[int], width: int) -> None:
    widths = fit_columns(COLUMNS, needed, width)
    assert {0, 1} <= set(widths)
    assert sum(widths.values()) + GAP * (len(widths) - 1) <= width
    assert all(1 <= widths[n] <= needed[n] for n in widths)


def broken(text: str, width: int, hang: int = 2) -> str:
    for begin, end in reversed(line_breaks(text, width, hang)):
        text = f"{text[:begin]}\n{' ' * hang}{text[end:]}"
    return text


@pytest.mark.parametrize(
    ("text", "width", "shown"),
    [
        ("", 10, ""),
        ("one two", 10, "one two"),
        ("one two three", 10, "one two\n  three"),
        ("one two three four", 9, "one two\n  three\n  four"),
        ("    `repoman sync`", 10, "    `repoman sync`"),
        ("then `repoman sync x` it", 10, "then\n  `repoman sync x`\n  it"),
        ("a (`repoman sync x`) b", 10, "a\n  (`repoman sync x`)\n  b"),
        ("averylongword indeed", 5, "averylongword\n  indeed"),
        ("a  b", 2, "a\n  b"),
        ("a ` b", 3, "a `\n  b"),
    ],
)
def test_line_breaks(text: str, width: int, shown: str) -> None:
    assert broken(text, width) == shown


@given(st.text("ab `", max_size=60), st.integers(4, 30))
def test_line_breaks_remove_only_blanks(text: str, width: int) -> None:
    assert broken(text, width).replace("\n", "").replace(" ", "") == text.replace(" ", "")


@pytest.mark.parametrize(
    ("count", "height", "shown"),
    [
        (0, 5, []),
        (5, 5, ["0", "1", "2", "3", "4"]),
        (6, 5, ["0", "1", "2", "… 2 more lines", "5"]),
        (20, 9, ["0", "1", "2", "3", "4", "… 12 more lines", "17", "18", "19"]),
        (20, 2, ["0", "… 19 more lines"]),
        (20, 1, ["… 20 more lines"]),
    ],
)
def test_fit_lines(count: int, height: int, shown: list[str]) -> None:
    assert fit_lines([str(number) for number in range(count)], height) == shown

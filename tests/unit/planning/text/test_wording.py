"""Formatting of numbers, times, URLs and errors."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from repoman_tasks.errors import ExitCode, Failed, RepomanError, one_line
from repoman_tasks.planning.text.wording import (
    format_age,
    format_counts,
    format_seconds,
    format_size,
    hours_since,
    plural,
    redact_url,
)

NOW = "2026-04-28T20:00:00Z"


@pytest.mark.parametrize(
    ("then", "expected"),
    [
        ("", "never"),
        ("2026-04-28T20:00:00Z", "just now"),
        ("2026-04-28T19:59:01Z", "just now"),
        ("2026-04-28T20:05:00Z", "just now"),  # a clock that went back
        ("2026-04-28T21:00:00Z", "just now"),
        ("2026-04-28T21:01:00Z", "1 h in the future"),
        ("2027-04-28T20:00:00Z", "365 d in the future"),
        ("2026-04-28T19:59:00Z", "1 min ago"),
        ("2026-04-28T19:00:01Z", "59 min ago"),
        ("2026-04-28T19:00:00Z", "1 h ago"),
        ("2026-04-28T21:00:00+02:00", "1 h ago"),
        ("2026-04-26T20:00:01Z", "47 h ago"),
        ("2026-04-26T20:00:00Z", "2 d ago"),
        ("2025-04-28T20:00:00Z", "365 d ago"),
    ],
)
def test_format_age(then: str, expected: str) -> None:
    assert format_age(then, NOW) == expected


def test_hours_since() -> None:
    assert hours_since("2026-04-28T18:30:00Z", NOW) == 1.5


@pytest.mark.parametrize(
    ("count", "expected"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (1536, "1.5 KiB"),
        (10 * 1024, "10 KiB"),
        (1024**2, "1.0 MiB"),
        (20 * 1024**3, "20 GiB"),
        (1024**4, "1.0 TiB"),
        (3000 * 1024**4, "3000.0 TiB"),
    ],
)
def test_format_size(count: int, expected: str) -> None:
    assert format_size(count) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0.04, "0.0 s"),
        (0.44, "0.4 s"),
        (12.4, "12 s"),
        (119.4, "119 s"),
        (120, "2 min 0 s"),
        (185.9, "3 min 5 s"),
        (7200, "120 min 0 s"),
    ],
)
def test_format_seconds(value: float, expected: str) -> None:
    assert format_seconds(value) == expected


@pytest.mark.parametrize(
    ("count", "forms", "expected"),
    [
        (0, ("project",), "0 projects"),
        (1, ("project",), "1 project"),
        (2, ("project",), "2 projects"),
        (2, ("repo", "repositories"), "2 repositories"),
    ],
)
def test_plural(count: int, forms: tuple[str, ...], expected: str) -> None:
    assert plural(count, *forms) == expected


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ((0, 0, 0, 0), "nothing to do"),
        ((1, 0, 0, 2048), "1 changed, 0 new, 0 deleted, 2.0 KiB"),
        ((0, 0, 3, 0), "0 changed, 0 new, 3 deleted, 0 B"),
    ],
)
def test_format_counts(counts: tuple[int, int, int, int], expected: str) -> None:
    assert format_counts(*counts) == expected


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://example.org/x.git", "https://example.org/x.git"),
        ("https://dev:s3cret@example.org/x.git", "https://…@example.org/x.git"),
        ("https://s3cret@example.org/x.git", "https://…@example.org/x.git"),
        ("https://dev:s3/cr@et@example.org/x.git", "https://…@example.org/x.git"),
        ("https://example.org/x.git?token=s3cret", "https://example.org/x.git?…"),
        ("ssh://git@example.org/x.git", "ssh://git@example.org/x.git"),
        ("ssh://git:s3cret@example.org/x.git", "ssh://…@example.org/x.git"),
        ("git@example.org:x.git", "git@example.org:x.git"),
        ("dev:s3cret@example.org:x.git", "…@example.org:x.git"),
        ("/home/dev/a:b@c?d", "/home/dev/a:b@c?d"),
        ("~/repos/x", "~/repos/x"),
        ("", ""),
    ],
)
def test_redact_url(url: str, expected: str) -> None:
    assert redact_url(url) == expected


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("plain ä 木", "plain ä 木"),
        ("a\nb", r"a\nb"),
        ("\x1b[2J", r"\x1b[2J"),
        ("a\udcff", r"a\udcff"),
        ("\u202e", r"\u202e"),
        ("\x9b31m", r"\x9b31m"),
    ],
)
def test_one_line(text: str, line: str) -> None:
    assert one_line(text) == line


@given(st.text())
def test_one_line_is_always_printable(text: str) -> None:
    assert one_line(text).isprintable()


def test_an_error_is_one_line() -> None:
    assert str(Failed("it\nbroke", "repair it")) == r"it\nbroke: repair it"
    assert str(Failed("it broke")) == "it broke"


def test_each_error_has_a_documented_code() -> None:
    kinds: list[type[RepomanError]] = [RepomanError, *RepomanError.__subclasses__()]
    assert {int(kind.code) for kind in kinds} <= {0, 1, 2, 3, 4, 5, 6, 130}
    assert [int(code) for code in ExitCode] == [0, 1, 2, 3, 4, 5, 6, 130]

"""Numbers, times and errors as people read them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from repoman_tasks.errors import ExitCode, Failed, RepomanError, one_line
from repoman_tasks.planning.text.wording import (
    age,
    hours_since,
    plural,
    seconds,
    shown_url,
    size,
    sum_line,
)

NOW = "2026-04-28T20:00:00Z"


@pytest.mark.parametrize(
    ("then", "said"),
    [
        ("", "never"),
        ("2026-04-28T20:00:00Z", "just now"),
        ("2026-04-28T19:59:01Z", "just now"),
        ("2026-04-28T20:05:00Z", "just now"),  # a clock that went back
        ("2026-04-28T19:59:00Z", "1 min ago"),
        ("2026-04-28T19:00:01Z", "59 min ago"),
        ("2026-04-28T19:00:00Z", "1 h ago"),
        ("2026-04-28T21:00:00+02:00", "1 h ago"),
        ("2026-04-26T20:00:01Z", "47 h ago"),
        ("2026-04-26T20:00:00Z", "2 d ago"),
        ("2025-04-28T20:00:00Z", "365 d ago"),
    ],
)
def test_age(then: str, said: str) -> None:
    assert age(then, NOW) == said


def test_hours_since() -> None:
    assert hours_since("2026-04-28T18:30:00Z", NOW) == 1.5


@pytest.mark.parametrize(
    ("count", "said"),
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
def test_size(count: int, said: str) -> None:
    assert size(count) == said


@pytest.mark.parametrize(
    ("value", "said"),
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
def test_seconds(value: float, said: str) -> None:
    assert seconds(value) == said


@pytest.mark.parametrize(
    ("count", "argv", "said"),
    [
        (0, ("project",), "0 projects"),
        (1, ("project",), "1 project"),
        (2, ("project",), "2 projects"),
        (2, ("repo", "repositories"), "2 repositories"),
    ],
)
def test_plural(count: int, argv: tuple[str, ...], said: str) -> None:
    assert plural(count, *argv) == said


@pytest.mark.parametrize(
    ("counts", "said"),
    [
        ((0, 0, 0, 0), "nothing to do"),
        ((1, 0, 0, 2048), "1 changed, 0 new, 0 deleted, 2.0 KiB"),
        ((0, 0, 3, 0), "0 changed, 0 new, 3 deleted, 0 B"),
    ],
)
def test_sum_line(counts: tuple[int, int, int, int], said: str) -> None:
    assert sum_line(*counts) == said


@pytest.mark.parametrize(
    ("url", "shown"),
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
def test_shown_url(url: str, shown: str) -> None:
    assert shown_url(url) == shown


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
def test_one_line_is_printable_whatever_it_was(text: str) -> None:
    assert one_line(text).isprintable()


def test_an_error_is_one_line() -> None:
    assert str(Failed("it\nbroke", "mend it")) == r"it\nbroke: mend it"
    assert str(Failed("it broke")) == "it broke"


def test_each_kind_of_error_has_a_code_of_the_documented_ones() -> None:
    kinds: list[type[RepomanError]] = [RepomanError, *RepomanError.__subclasses__()]
    assert {int(kind.code) for kind in kinds} <= {0, 1, 2, 3, 4, 5, 6, 130}
    assert [int(code) for code in ExitCode] == [0, 1, 2, 3, 4, 5, 6, 130]

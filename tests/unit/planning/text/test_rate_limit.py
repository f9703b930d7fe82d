"""Rate limit of progress reports."""

from __future__ import annotations

import pytest

from repoman_tasks.planning.text.rate_limit import RateLimit


@pytest.mark.parametrize(
    ("calls", "due"),
    [
        ([("a", 0.0)], [True]),
        ([("a", 0.0), ("a", 0.9), ("a", 1.0), ("a", 1.5), ("a", 2.0)], [1, 0, 1, 0, 1]),
        ([("a", 0.0), ("b", 0.05), ("b", 0.1), ("a", 0.2)], [1, 0, 1, 0]),
        ([("a", 5.0), ("b", 5.5), ("a", 6.0), ("b", 6.05)], [1, 1, 1, 0]),
    ],
)
def test_due(calls: list[tuple[str, float]], due: list[bool]) -> None:
    limit = RateLimit()
    assert [limit.due(name, now) for name, now in calls] == [bool(one) for one in due]


def test_at_most_ten_a_second_overall() -> None:
    limit = RateLimit()
    calls = [(f"p{n % 50}", n / 1000) for n in range(3000)]
    assert sum(limit.due(name, now) for name, now in calls) <= 31

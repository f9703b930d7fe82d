"""How often progress is told."""

from __future__ import annotations

import pytest

from repoman_tasks.planning.text.pace import Pace


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ([("a", 0.0)], [True]),
        ([("a", 0.0), ("a", 0.9), ("a", 1.0), ("a", 1.5), ("a", 2.0)], [1, 0, 1, 0, 1]),
        ([("a", 0.0), ("b", 0.05), ("b", 0.1), ("a", 0.2)], [1, 0, 1, 0]),
        ([("a", 5.0), ("b", 5.5), ("a", 6.0), ("b", 6.05)], [1, 1, 1, 0]),
    ],
)
def test_pace(asked: list[tuple[str, float]], told: list[bool]) -> None:
    pace = Pace()
    assert [pace.due(name, now) for name, now in asked] == [bool(one) for one in told]


def test_however_many_there_are_ten_a_second_are_told() -> None:
    pace = Pace()
    asked = [(f"p{n % 50}", n / 1000) for n in range(3000)]
    assert sum(pace.due(name, now) for name, now in asked) <= 31

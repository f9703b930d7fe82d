"""How often a command waits for the other side."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.round_trips import trips_of
from tests.support.ssh_estate import FarEstate


@pytest.fixture
def transport() -> str:
    """One alone."""
    return "fabric"


@pytest.fixture
def far(tmp_path: Path) -> Iterator[FarEstate]:
    """Twenty projects, all mirrored; of two the figures are the same."""
    with FarEstate(tmp_path) as far:
        far.prepare(*(f"p{number}" for number in range(20)))
        far.run("sync", code=0)
        yield far


def test_round_trips_where_there_is_nothing_to_do(far: FarEstate) -> None:
    assert trips_of(far, "list") == 3
    assert trips_of(far, "status") == 4
    assert trips_of(far, "sync", jobs=1) == 14, "it checks each mirror and notes that it did"

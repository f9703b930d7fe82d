"""The number of round trips of each command."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from repoman_tasks.hosts.digests import RECENT_SECONDS
from tests.support.round_trips import count_round_trips
from tests.support.ssh_estate import RemoteEstate


@pytest.fixture
def transport() -> str:
    """Return one transport alone."""
    return "fabric"


@pytest.fixture
def far(tmp_path: Path) -> Iterator[RemoteEstate]:
    """Return an estate with twenty projects, all mirrored; with two, the figures are the same."""
    with RemoteEstate(tmp_path) as far:
        far.prepare(*(f"p{number}" for number in range(20)))
        time.sleep(RECENT_SECONDS + 1)  # else they are compared again
        far.run("sync", code=0)
        yield far


def test_round_trips_if_nothing_changes(far: RemoteEstate) -> None:
    assert count_round_trips(far, "list") == 3
    assert count_round_trips(far, "status") == 4
    assert count_round_trips(far, "sync", jobs=1) == 14, (
        "it looks at the repos and the share, and notes that it did"
    )


def test_round_trips_of_changed_projects(far: RemoteEstate) -> None:
    """Each sends what changed, and adds at most ten."""
    counts = []
    for names in (["p0"], ["p1", "p2", "p3"]):
        for name in names:
            (far.local_repos / name / "new").write_text("x")
        counts.append(count_round_trips(far, "sync", jobs=1))
    one, four = counts  # what the first one sent had changed just before: it is sent again
    assert four - one <= 3 * 10
    rules = far.home.glob(".local/state/repoman/mirrors/*/manifests/*.rules")
    limited = {path.stem for path in rules if f"/{path.stem}/new\0" in path.read_text()}
    assert limited == {"p0", "p1", "p2", "p3"}

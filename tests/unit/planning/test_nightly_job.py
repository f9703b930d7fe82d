"""When a nightly sync counts as overdue."""

from __future__ import annotations

import pytest

from repoman_tasks.model import Failure, Project
from repoman_tasks.planning.nightly_job import overdue_finding

NOW = "2026-04-28T20:00:00Z"
INSTALLED = {"at": "03:17", "since": "2026-01-01T00:00:00Z"}
FRESH, OLD, AHEAD = "2026-04-28T03:17:00Z", "2026-04-20T03:17:00Z", "2036-04-20T03:17:00Z"


@pytest.mark.parametrize(
    ("synced", "failed", "overdue"),
    [
        (FRESH, "", False),
        (OLD, "", True),
        (OLD, FRESH, False),
        (AHEAD, "", True),
        (OLD, AHEAD, True),
        (AHEAD, FRESH, False),
    ],
)
def test_a_time_in_the_future_hides_no_missing_sync(
    synced: str, failed: str, overdue: bool
) -> None:
    failures = {"isurus": Failure(failed, 4, "it failed")} if failed else {}
    found = overdue_finding(INSTALLED, [Project("isurus", last_sync=synced)], failures, NOW)
    assert [finding.kind for finding in found] == ["nightly"] * overdue

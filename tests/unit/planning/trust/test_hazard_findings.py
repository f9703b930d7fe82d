"""Findings about hazards in a repo."""

from __future__ import annotations

import pytest

from repoman_tasks.planning.trust.hazard_findings import owner_finding


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (1, "1 file or folder in /r/a belongs to other users of its container"),
        (2, "2 files and folders in /r/a belong to other users of its container"),
    ],
)
def test_owner_finding(files: int, message: str) -> None:
    assert owner_finding("a", "/r/a", files, "1000:1000", "repoman").what == message

"""What is told of a repo in which programs of the host could be made to run something."""

from __future__ import annotations

import pytest

from repoman_tasks.planning.trust.hazard_findings import owner_finding


@pytest.mark.parametrize(
    ("files", "says"),
    [
        (1, "1 file or folder in /r/a belongs to other users of its container"),
        (2, "2 files and folders in /r/a belong to other users of its container"),
    ],
)
def test_files_of_others(files: int, says: str) -> None:
    assert owner_finding("a", "/r/a", files, "1000:1000", "repoman").what == says

"""Notes about what a mirror does not have."""

from __future__ import annotations

import pytest

from repoman_tasks.model import Mirrored, Project, Tally
from repoman_tasks.planning.mirror.left_out import left_out_findings

THEN = "2026-11-20T03:17:00Z"
LFS = (
    "the content of a.bin, which is a pointer of Git LFS, is not in the mirror: run `git lfs pull`"
)


@pytest.mark.parametrize(
    ("warnings", "notes"),
    [
        ((), []),
        (
            ("socket s is not mirrored", LFS, "FIFO a: b is not mirrored"),
            [
                "the content of a.bin, which is a pointer of Git LFS, is not in the mirror",
                "socket s is not mirrored, and 1 more warning",
            ],
        ),
        (("socket s is not mirrored",), ["socket s is not mirrored"]),
    ],
)
def test_each_cure_has_a_note(warnings: tuple[str, ...], notes: list[str]) -> None:
    project = Project(name="isurus", repo="isurus", last_sync=THEN, mirror="isurus")
    state = Mirrored(THEN, Tally(7), warnings=warnings)
    found = left_out_findings(project, state)
    assert [note.what for note in found] == notes
    assert not any(note.problem for note in found)


def test_a_state_of_another_sync_says_nothing() -> None:
    project = Project(name="isurus", repo="isurus", last_sync="2026-11-21T03:17:00Z")
    state = Mirrored(THEN, Tally(7), warnings=("socket s is not mirrored",))
    assert left_out_findings(project, state) == []

"""Steps of a rename, from the beginning and after an interruption."""

from __future__ import annotations

import pytest

from repoman_tasks.errors import Refused, UsageError
from repoman_tasks.model import Project, Registry
from repoman_tasks.planning.container.spec import Container
from repoman_tasks.planning.rename_steps import (
    Rename,
    RenameFacts,
    check_rename,
    rename_steps,
    rename_target,
)

OLD = Project("isurus", "group/isurus", mirror="group/isurus", last_sync="2026-04-28T15:00:00Z")
BEGUN = Project("isurus", "group/isurus", renaming="lamna", renaming_repo="group/lamna")
WHOLE = Rename("isurus", "lamna", "group/isurus", "group/lamna")
AGAIN = Rename("isurus", "lamna", "group/isurus", "group/lamna", begun=True)
DISK = {"type": "disk", "source": "/r/group/isurus/x", "path": "/r/group/isurus/x"}
VOLUME = {"type": "disk", "pool": "p", "source": "isurus", "path": "/var/lib/repoman"}


def container(name: str, status: str = "running") -> Container:
    return Container(name, status, {}, {"protected-1": DISK, "volume": VOLUME}, ("default",))


def facts(at: str, *others: Container, status: str = "running") -> RenameFacts:
    """Return facts in which all that has a name is called `at`."""
    repo = frozenset([f"group/{at}"])
    found = {one.name: one for one in (container(at, status), *others)}
    return RenameFacts("repoman", "/r", found, {at: "p"}, repo, repo)


def kinds(rename: Rename, found: RenameFacts) -> list[str]:
    return [type(step).__name__ for step in rename_steps(rename, OLD, found)]


def test_the_whole_rename_notes_itself_first_and_registers_last() -> None:
    assert kinds(WHOLE, facts("isurus")) == [
        *("WriteRegistry", "ChangeState", "ChangeContainer", "CallIncus", "RenameMirror"),
        *("RenameFolder", "ChangeContainer", "ChangeState", "RenameState", "WriteRegistry"),
        "ChangeState",
    ]


def test_what_has_the_new_name_is_left_alone() -> None:
    done = facts("lamna", status="stopped")
    assert kinds(AGAIN, done) == ["RenameState", "WriteRegistry"]


def test_paths_in_the_repo_and_the_volume_change() -> None:
    steps = rename_steps(WHOLE, OLD, facts("isurus", status="stopped"))
    changes = [step.changes for step in steps if hasattr(step, "changes")]
    assert changes[-1]["devices"] == {
        "protected-1": {
            "type": "disk",
            "source": "/r/group/lamna/x",
            "path": "/r/group/lamna/x",
        },
        "volume": {**VOLUME, "source": "lamna"},
    }


@pytest.mark.parametrize("rename", [WHOLE, AGAIN])
def test_a_second_one_of_the_new_name_is_refused(rename: Rename) -> None:
    with pytest.raises(Refused, match="a container called lamna exists already"):
        check_rename(rename, facts("isurus", container("lamna")))
    check_rename(rename, facts("isurus"))


def test_only_a_rename_that_was_begun_goes_on() -> None:
    check_rename(AGAIN, facts("lamna"))
    with pytest.raises(Refused):
        check_rename(WHOLE, facts("lamna"))
    registry = Registry(projects=(BEGUN,))
    assert rename_target(registry, BEGUN, "lamna", folder=False) == AGAIN
    with pytest.raises(UsageError, match="was not completed"):
        rename_target(registry, BEGUN, "other", folder=True)

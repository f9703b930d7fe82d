"""Remains of an interrupted restore, and the command that goes on with it."""

from __future__ import annotations

import pytest

from repoman_tasks.model import Project
from repoman_tasks.planning.findings import RepoState
from repoman_tasks.planning.mirror.restore_plan import (
    RestoreOptions,
    partial_findings,
    partial_places,
    plan_target,
)

PROJECTS = (Project(name="isurus", repo="isurus"), Project(name="lamna", repo="deep/er"))
BASE, HOME, NOW = "/home/dev/repos", "/home/dev", "2026-04-28T20:17:03Z"


def left_by(options: RestoreOptions, *, missing: bool, source: str = "mirror") -> str:
    """Return the folder that a restore of isurus leaves."""
    repo = f"{BASE}/isurus"
    return plan_target("isurus", repo, source, options, HOME, NOW, missing=missing).partial


def cure_of(path: str, problem: str = "") -> tuple[str, str]:
    repos = {p.name: RepoState(f"{BASE}/{p.repo}", problem) for p in PROJECTS}
    (found,) = partial_findings([path, f"{BASE}/isurus"], PROJECTS, repos)
    assert path in found.what
    assert f"`rm -rf {path}`" in found.cure
    return found.subject, found.cure.partition("`repoman ")[2].partition("`")[0]


@pytest.mark.parametrize(
    ("options", "missing", "expected"),
    [
        (RestoreOptions(), True, ("isurus", "restore isurus")),
        (
            RestoreOptions(),
            False,
            ("isurus", "restore isurus --to /home/dev/restored/isurus-mirror"),
        ),
        (RestoreOptions(to="/srv/it"), False, ("isurus", "restore isurus --to /srv/it")),
        (RestoreOptions(at="yesterday"), True, ("isurus", "")),
        (RestoreOptions(paths=("a",), to="/srv/it"), False, ("it", "")),
    ],
)
def test_the_command_that_goes_on(
    options: RestoreOptions, missing: bool, expected: tuple[str, str]
) -> None:
    source = "daily-1" if options.at else "mirror"
    left = left_by(options, missing=missing, source=source)
    assert cure_of(left, "missing" if missing else "") == expected


def test_a_repo_that_is_back_has_no_restore_to_go_on_with() -> None:
    assert cure_of(left_by(RestoreOptions(), missing=True)) == ("isurus", "")


def test_where_something_may_be_left() -> None:
    guarded = [BASE, "/srv/it", "/srv/.it.0123abcd.partial", "/.root.0123abcd.partial", "/x\n/y"]
    assert partial_places(guarded, PROJECTS, BASE) == ["/", "/home/dev/repos/deep", "/srv"]
    assert partial_places([], PROJECTS[:1], BASE) == []


def test_other_folders_are_not_named() -> None:
    others = ["/x/.partial", "/x/.a.partial", "/x/a.0123abcd.partial", "/x/.a.0123ABCD.partial"]
    repos = {p.name: RepoState(f"{BASE}/{p.repo}") for p in PROJECTS}
    assert partial_findings(others, PROJECTS, repos) == []

"""Findings about the estate and its projects."""

from __future__ import annotations

import shlex

import pytest

from repoman_tasks.model import Defaults, Project, Registry
from repoman_tasks.planning.findings import (
    EstateFacts,
    RepoState,
    estate_findings,
    mirror_findings,
    project_findings,
    repo_state,
    unregistered_folders,
)

NOW = "2026-04-28T20:00:00Z"
FRESH, OLD = "2026-04-28T19:00:00Z", "2026-04-26T19:00:00Z"
PRESENT = RepoState("/r/a")


@pytest.mark.parametrize(
    ("real", "problem"),
    [
        ("/r/a", ""),
        (None, "missing"),
        ("/elsewhere", "leads outside local_repos, to /elsewhere"),
        ("/r", "leads outside local_repos, to /r"),
        ("/r2/a", "leads outside local_repos, to /r2/a"),
        ("/r/b", "is a symlink to /r/b"),
    ],
)
def test_repo_state(real: str | None, problem: str) -> None:
    assert repo_state("/r/a", real, "/r") == RepoState("/r/a", problem)


@pytest.mark.parametrize(
    ("project", "state", "expected"),
    [
        pytest.param(Project("a", last_sync=FRESH), PRESENT, [], id="healthy"),
        pytest.param(Project("a", backup=False), PRESENT, [], id="no backup"),
        pytest.param(
            Project("a", backup=False, last_sync=OLD), PRESENT, [], id="backup switched off"
        ),
        pytest.param(
            Project("a"), PRESENT, [("never mirrored", "run `repoman sync a`")], id="never mirrored"
        ),
        pytest.param(
            Project("a", last_sync=OLD),
            PRESENT,
            [("last mirrored 2 d ago", "run `repoman sync a`")],
            id="old",
        ),
        pytest.param(
            Project("a", last_sync="2036-04-28T20:00:00Z"),
            PRESENT,
            [
                (
                    "last mirrored 3653 d in the future: a clock was wrong, or is",
                    "check the clock, then run `repoman sync a`",
                )
            ],
            id="in the future",
        ),
        pytest.param(
            Project("a", last_sync=FRESH),
            RepoState("/r/a", "missing"),
            [("repo /r/a is missing", "run `repoman restore a`, or `repoman remove a`")],
            id="missing",
        ),
        pytest.param(
            Project("a", last_sync=FRESH),
            RepoState("/r/a", "is a symlink to /r/b"),
            [("repo /r/a is a symlink to /r/b", "restore it, or `repoman remove a`")],
            id="a symlink",
        ),
        pytest.param(
            Project("a"),
            RepoState("/r/a", "missing"),
            [
                ("repo /r/a is missing", "restore it, or `repoman remove a`"),
                ("never mirrored", "run `repoman sync a`"),
            ],
            id="two findings",
        ),
    ],
)
def test_project_findings(
    project: Project, state: RepoState, expected: list[tuple[str, str]]
) -> None:
    found = project_findings(project, state, Registry(), NOW)
    assert [(finding.what, finding.cure) for finding in found] == expected
    assert {finding.subject for finding in found} <= {"a"}


@pytest.mark.parametrize(("max_age", "count"), [(48, 1), (49, 0), (50, 0)])
def test_max_age_hours(max_age: int, count: int) -> None:
    registry = Registry(defaults=Defaults(max_age_hours=max_age))
    assert len(project_findings(Project("a", last_sync=OLD), PRESENT, registry, NOW)) == count


def test_estate_findings_start_with_the_share() -> None:
    projects = (Project("a", "a", last_sync=FRESH), Project("b", "b"))
    repos = {"a": PRESENT, "b": RepoState("/r/b")}
    facts = EstateFacts(Registry(projects=projects), "/r", repos)
    folder = "it's new"
    found = estate_findings(facts, ("it is gone", "mount it"), projects, ["a", "b", folder], NOW)
    assert [(f.subject, f.problem) for f in found] == [
        ("share", True),
        ("b", True),
        (folder, False),
    ]
    assert shlex.quote(folder) in found[-1].cure
    assert estate_findings(EstateFacts(Registry(), "/r"), None, [], [], NOW) == []
    odd = estate_findings(EstateFacts(Registry(), "/r"), None, [], ["caf\udce9"], NOW)
    assert "not UTF-8" in odd[0].cure


@pytest.mark.parametrize(
    ("folders", "repos", "expected"),
    [
        ([], [], []),
        (["b", "a"], [], ["a", "b"]),
        (["a", "b"], ["a"], ["b"]),
        (["a", "b"], ["b/deep"], ["a"]),
        ([".cache", "a"], [], ["a"]),
    ],
)
def test_unregistered_folders(folders: list[str], repos: list[str], expected: list[str]) -> None:
    projects = tuple(Project(r.replace("/", ""), r) for r in repos)
    assert unregistered_folders(folders, Registry(projects=projects)) == expected


def test_what_is_being_renamed_has_both_names() -> None:
    half = Project("isurus", "a/isurus", renaming="lamna", renaming_repo="b/lamna")
    registry = Registry(projects=(half,))
    assert registry.project("lamna") is registry.project("isurus") is half
    assert unregistered_folders(["a", "b", "c"], registry) == ["c"]
    assert [finding.subject for finding in mirror_findings(["a", "b", "c"], registry)] == ["c"]

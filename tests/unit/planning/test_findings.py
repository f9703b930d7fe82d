"""What is wrong with the estate."""

from __future__ import annotations

import shlex

import pytest

from repoman_tasks.model import Defaults, Project, Registry
from repoman_tasks.planning.findings import (
    EstateFacts,
    Finding,
    RepoState,
    findings,
    health,
    repo_state,
    unregistered,
)

NOW = "2026-04-28T20:00:00Z"
FRESH, OLD = "2026-04-28T19:00:00Z", "2026-04-26T19:00:00Z"
HERE = RepoState("/r/a")


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
        pytest.param(Project("a", last_sync=FRESH), HERE, [], id="well"),
        pytest.param(Project("a", backup=False), HERE, [], id="no backup is wanted"),
        pytest.param(Project("a", backup=False, last_sync=OLD), HERE, [], id="no backup any more"),
        pytest.param(
            Project("a"), HERE, [("never mirrored", "`repoman sync a`")], id="never mirrored"
        ),
        pytest.param(
            Project("a", last_sync=OLD),
            HERE,
            [("last mirrored 2 d ago", "`repoman sync a`")],
            id="old",
        ),
        pytest.param(
            Project("a", last_sync=FRESH),
            RepoState("/r/a", "missing"),
            [("repo /r/a is missing", "bring it back, or `repoman remove a`")],
            id="missing",
        ),
        pytest.param(
            Project("a", last_sync=FRESH),
            RepoState("/r/a", "is a symlink to /r/b"),
            [("repo /r/a is a symlink to /r/b", "bring it back, or `repoman remove a`")],
            id="a symlink",
        ),
        pytest.param(
            Project("a"),
            RepoState("/r/a", "missing"),
            [
                ("repo /r/a is missing", "bring it back, or `repoman remove a`"),
                ("never mirrored", "`repoman sync a`"),
            ],
            id="two things",
        ),
    ],
)
def test_findings(project: Project, state: RepoState, expected: list[tuple[str, str]]) -> None:
    found = findings(project, state, Registry(), NOW)
    assert found == [Finding("a", what, cure) for what, cure in expected]


@pytest.mark.parametrize(("max_age", "count"), [(48, 1), (49, 0), (50, 0)])
def test_age_from_which_a_mirror_is_old(max_age: int, count: int) -> None:
    registry = Registry(defaults=Defaults(max_age_hours=max_age))
    assert len(findings(Project("a", last_sync=OLD), HERE, registry, NOW)) == count


def test_health_says_all_and_the_share_first() -> None:
    projects = (Project("a", "a", last_sync=FRESH), Project("b", "b"))
    repos = {"a": HERE, "b": RepoState("/r/b")}
    facts = EstateFacts(Registry(projects=projects), "/r", repos)
    folder = "it's new"
    found = health(facts, ("it is gone", "mount it"), projects, ["a", "b", folder], NOW)
    assert [(f.subject, f.problem) for f in found] == [
        ("share", True),
        ("b", True),
        (folder, False),
    ]
    assert shlex.quote(folder) in found[-1].cure
    assert health(EstateFacts(Registry(), "/r"), None, [], [], NOW) == []
    odd = health(EstateFacts(Registry(), "/r"), None, [], ["caf\udce9"], NOW)
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
def test_unregistered(folders: list[str], repos: list[str], expected: list[str]) -> None:
    assert unregistered(folders, [Project(r.replace("/", ""), r) for r in repos]) == expected

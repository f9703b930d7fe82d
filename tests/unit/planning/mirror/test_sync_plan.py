"""Plan of a sync, and its exit code and counts."""

from __future__ import annotations

import pytest

from repoman_tasks.errors import ExitCode, UsageError
from repoman_tasks.model import Defaults, Estate, Project, Registry
from repoman_tasks.planning.mirror.sync_plan import (
    Counts,
    Outcome,
    SyncOptions,
    SyncPlan,
    find_project,
    plan_sync,
    sync_exit_code,
    total_counts,
)

REGISTRY = Registry(
    defaults=Defaults(jobs=3),
    projects=(
        Project("young", last_sync="2026-04-28T20:00:00Z"),
        Project("off", backup=False),
        Project("old", last_sync="2026-01-01T20:00:00Z"),
        Project("never"),
        Project("never2"),
    ),
)


@pytest.mark.parametrize(
    ("name", "jobs", "names", "planned_jobs"),
    [
        pytest.param(None, None, ["never", "never2", "old", "young"], 3, id="all, oldest first"),
        pytest.param(None, 9, ["never", "never2", "old", "young"], 9, id="jobs as given"),
        pytest.param("young", None, ["young"], 1, id="one"),
        pytest.param("young", 9, ["young"], 1, id="one needs one job"),
    ],
)
def test_plan_sync(name: str | None, jobs: int | None, names: list[str], planned_jobs: int) -> None:
    options = SyncOptions()
    planned = plan_sync(REGISTRY, name, jobs, options)
    assert [p.name for p in planned.projects] == names
    assert planned.jobs == planned_jobs
    assert planned.single is (name is not None)
    assert planned.options is options


def test_plan_without_projects() -> None:
    registry = Registry(Estate(id="x"))
    assert plan_sync(registry, None, None, SyncOptions()).projects == ()


def test_plan_without_a_registry() -> None:
    for name in (None, "isurus"):
        with pytest.raises(UsageError, match="there is no registry yet: run `repoman setup`"):
            plan_sync(Registry(), name, None, SyncOptions())


@pytest.mark.parametrize(
    ("name", "jobs", "message"),
    [
        ("yuong", None, r"no project is called 'yuong': did you mean 'young'\?"),
        ("zzz", None, "no project is called 'zzz': list them with `repoman list`"),
        ("", None, "no project is called ''"),
        ("off", None, "'off' has backup = false"),
        (None, 0, "--jobs 0"),
        (None, -1, "--jobs -1"),
        ("young", 0, "--jobs 0"),
    ],
)
def test_invalid_arguments_of_plan(name: str | None, jobs: int | None, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        plan_sync(REGISTRY, name, jobs, SyncOptions())


def test_find_project() -> None:
    assert find_project(REGISTRY, "old").last_sync == "2026-01-01T20:00:00Z"


OK, FAILED, SOME = ExitCode.OK, ExitCode.FAILED, ExitCode.SOME_FAILED
TARGET, REFUSED, INTERRUPTED = ExitCode.TARGET, ExitCode.REFUSED, ExitCode.INTERRUPTED


@pytest.mark.parametrize(
    ("single", "codes", "expected"),
    [
        (False, [], OK),
        (False, [OK, OK], OK),
        (False, [OK, SOME], SOME),
        (False, [OK, REFUSED], SOME),
        (False, [REFUSED, REFUSED], SOME),
        (False, [FAILED], SOME),
        (False, [SOME, TARGET, OK], TARGET),
        (False, [SOME, TARGET, INTERRUPTED], INTERRUPTED),
        (False, [OK, INTERRUPTED], INTERRUPTED),
        (True, [OK], OK),
        (True, [REFUSED], REFUSED),
        (True, [SOME], SOME),
        (True, [TARGET], TARGET),
        (True, [INTERRUPTED], INTERRUPTED),
    ],
)
def test_sync_exit_code(single: bool, codes: list[ExitCode], expected: ExitCode) -> None:
    outcomes = [Outcome(f"p{number}", code) for number, code in enumerate(codes)]
    assert sync_exit_code(SyncPlan((), 1, SyncOptions(), single), outcomes) is expected


@pytest.mark.parametrize("code", list(ExitCode))
def test_ok_of_each_exit_code(code: ExitCode) -> None:
    assert Outcome("a", code).ok is (code == 0)


def test_counts_add_up() -> None:
    counts = Counts()
    for kind, size in (("new", 5), ("new", 1), ("changed", 7), ("deleted", 0), ("attributes", 0)):
        counts.add(kind, size)
    assert counts == Counts(new=2, changed=1, deleted=1, attributes=1, bytes=13)
    other = Outcome("b", counts=Counts(new=1, changed=2, deleted=3, attributes=4, bytes=5))
    assert total_counts([Outcome("a", counts=counts), other]) == Counts(3, 3, 4, 5, 18)
    assert total_counts([]) == Counts()
    assert other.counts == Counts(1, 2, 3, 4, 5), "the sum must not change its parts"

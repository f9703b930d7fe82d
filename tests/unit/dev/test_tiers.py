"""The tiers of tests: which can run, and how their results are reported."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dev.checkout import ROOT
from dev.open_folders import closed_above
from dev.tiers import (
    COLUMNS,
    TIERS,
    Facts,
    TierResult,
    blocked_result,
    ci_failures,
    format_rows,
    format_totals,
    make_result,
    mark_expression,
    missing_packages,
    parse_report,
    plan_lanes,
    run_hints,
    select_tiers,
    tiers_exit_code,
    unrequested_results,
)
from repoman_tasks.errors import UsageError

EVERYTHING = Facts(
    programs=frozenset(name for tier in TIERS for name in {**tier.programs, **tier.optional}),
    is_root=True,
    test_files={folder: 1 for tier in TIERS for folder in tier.paths},
)
WAITING = ["terminal", "nfs", "nfs-faults", "as-root"]
WITH_DAEMON = ["packages", "security", "containers", "nightly"]
NO_ROOT = replace(EVERYTHING, is_root=False)
NOTHING = replace(EVERYTHING, programs=frozenset())
NO_NOBODY = replace(EVERYTHING, nobody_problem="closed")
NO_TESTS = replace(EVERYTHING, test_files={"tests/system/test_faults.py": 1})

REPORT = """<testsuites><testsuite>
<testcase name="a"/>
<testcase name="b"><failure message="x"/></testcase>
<testcase name="c"><error message="x"/></testcase>
<testcase name="d"><skipped type="pytest.skip" message="not here: fish"/></testcase>
<testcase name="e"><skipped type="pytest.skip" message="not here: fish"/></testcase>
<testcase name="f"><skipped type="pytest.skip" message="later"/></testcase>
<testcase name="g"><skipped type="pytest.xfail" message="known"/></testcase>
</testsuite></testsuites>"""
GOOD = '<testsuite><testcase name="a"/></testsuite>'


@pytest.mark.parametrize(
    ("name", "facts", "why"),
    [
        ("lint", NOTHING, ""),
        ("unit", NOTHING, ""),
        ("unit", NO_TESTS, "tests/unit holds no tests"),
        ("integration", EVERYTHING, ""),
        ("integration", NOTHING, "not installed: git, rsync"),
        ("integration", NO_ROOT, ""),
        ("integration", NO_NOBODY, "closed"),
        ("as-root", NO_NOBODY, ""),
        ("as-root", NO_ROOT, "needs root"),
        ("terminal", NOTHING, "not installed: git, rsync, tmux"),
        ("nfs", NO_ROOT, "needs root"),
        (
            "nfs",
            NOTHING,
            "not installed: autofs, dosfstools, git, iproute2, nfs-kernel-server, rsync, "
            "user-mode-linux, xfsprogs",
        ),
        ("nfs-faults", NO_TESTS, "tests/worlds/machine holds no tests"),
    ],
)
def test_what_can_run(name: str, facts: Facts, why: str) -> None:
    found = blocked_result(select_tiers([name])[0], facts)
    assert (found.reason if found else "") == why


def test_a_tier_without_tests_has_failed() -> None:
    found = blocked_result(select_tiers(["unit"])[0], NO_TESTS)
    assert found is not None
    assert (found.verdict, tiers_exit_code([found], ci=False)) == ("failed", 1)


def test_a_tier_that_can_not_run_is_a_failure_in_ci_only() -> None:
    found = blocked_result(select_tiers(["nfs"])[0], NO_ROOT)
    assert found is not None
    assert found.verdict == "did not run"
    both = [TierResult("unit", passed=1), found]
    assert (tiers_exit_code(both, ci=False), tiers_exit_code(both, ci=True)) == (0, 1)
    assert ci_failures(both) == ["nfs did not run"]


def test_nothing_that_ran_is_a_failure() -> None:
    assert tiers_exit_code([TierResult("nfs", ran=False, reason="needs root")], ci=False) == 1


def test_tiers_keep_their_order() -> None:
    assert [tier.name for tier in select_tiers(["nfs", "unit"])] == ["unit", "nfs"]


@pytest.mark.parametrize(
    ("names", "everything", "tiers"),
    [
        ([], False, ["lint", "unit", "integration", "terminal"]),
        (["nfs"], False, ["nfs"]),
        ([], True, [tier.name for tier in TIERS if tier.name != "nightly"]),
        (["nightly"], True, [tier.name for tier in TIERS]),
    ],
)
def test_which_tiers_run(names: list[str], everything: bool, tiers: list[str]) -> None:
    assert [tier.name for tier in select_tiers(names, everything=everything)] == tiers


def test_what_was_not_requested_is_no_failure_in_ci() -> None:
    found = unrequested_results([], select_tiers([]))
    assert [outcome.tier for outcome in found][:3] == ["ssh", "nfs", "nfs-faults"]
    assert unrequested_results(["nfs"], select_tiers(["nfs"])) == []
    assert ci_failures(found) == []
    assert tiers_exit_code([TierResult("unit", passed=1), *found], ci=True) == 0


def test_the_command_that_runs_the_rest() -> None:
    stopped = [blocked_result(select_tiers([name])[0], NO_ROOT) for name in ("ssh", "as-root")]
    lacking = blocked_result(select_tiers(["terminal"])[0], NOTHING)
    assert run_hints([outcome for outcome in (*stopped, lacking) if outcome]) == [
        "to run ssh: as root, ./bootstrap test --tier ssh",
        "to run as-root: as root, ./bootstrap test --tier as-root",
        "to run terminal: as root, ./bootstrap test --tier terminal",
    ]
    several = [TierResult(name, ran=False, requested=False) for name in ("nfs", "security")]
    assert run_hints([TierResult("unit", passed=1), *several]) == [
        "to run nfs, security: ./bootstrap test --all; one of them: ./bootstrap test --tier nfs"
    ]
    assert run_hints(unrequested_results([], select_tiers([], everything=True))) == [
        "to run nightly: ./bootstrap test --tier nightly"
    ]


def test_packages_are_those_of_the_tiers_that_run() -> None:
    assert missing_packages(select_tiers(["terminal"]), NOTHING) == [
        *("bash-completion", "fish", "git", "rsync", "tmux", "zsh"),
    ]
    assert missing_packages(TIERS, EVERYTHING) == []
    few = missing_packages(select_tiers([]), NOTHING)
    assert "shellcheck" in few
    assert not {"incus-base", "user-mode-linux", "openssh-server", "lintian"} & set(few)


@pytest.mark.parametrize(
    ("name", "expression"),
    [
        ("unit", "not nightly"),
        ("ssh", "over_ssh and not nightly"),
        ("as-root", "as_root and not nightly"),
        ("nightly", "nightly"),
    ],
)
def test_the_marks_of_a_tier(name: str, expression: str) -> None:
    assert mark_expression(select_tiers([name])[0]) == expression


def test_nightly_tests_are_in_the_folders_of_that_tier() -> None:
    folders = select_tiers(["nightly"])[0].paths
    marked = [
        str(path.relative_to(ROOT))
        for path in (ROOT / "tests").rglob("test_*.py")
        if "mark." + "nightly" in path.read_text()
    ]
    assert marked
    assert [path for path in marked if not path.startswith(folders)] == []


@pytest.mark.parametrize(
    ("names", "side_by_side"),
    [
        (
            [tier.name for tier in TIERS],
            [["lint", "unit", "integration", "ssh"], WAITING, WITH_DAEMON],
        ),
        (["nfs", "unit", "lint"], [["lint", "unit"], ["nfs"]]),
        (["unit"], [["unit"]]),
        ([], [["lint", "unit", "integration"], ["terminal"]]),
        (["security", "as-root", "packages"], [["as-root"], ["packages", "security"]]),
    ],
)
def test_what_runs_at_once(names: list[str], side_by_side: list[list[str]]) -> None:
    found = plan_lanes(select_tiers(names))
    assert [[tier.name for tier in lane] for lane in found] == side_by_side


def test_the_budgets_leave_time_for_packages_and_images() -> None:
    for lane in plan_lanes(select_tiers([], everything=True)):
        assert sum(tier.budget for tier in lane) <= 17 * 60


@pytest.mark.parametrize(
    ("name", "hint"), [("unti", "did you mean unit?"), ("zzz", "there are lint, unit, ")]
)
def test_an_unknown_tier(name: str, hint: str) -> None:
    with pytest.raises(UsageError, match=f"no tier is called '{name}'.*{hint}"):
        select_tiers([name])


def test_a_report_is_counted() -> None:
    found = parse_report("unit", REPORT)
    assert (found.passed, found.failed, found.skipped, found.unexplained) == (2, 2, 3, 1)
    assert found.reason == "2 skipped, not here: fish; 1 skipped, later"


@pytest.mark.parametrize(
    ("code", "xml", "filtered", "verdict", "reason"),
    [
        (0, GOOD, False, "passed", ""),
        (1, REPORT, False, "failed", "2 skipped, not here: fish; 1 skipped, later"),
        (1, GOOD, False, "failed", "exit status 1"),
        (5, "<testsuite/>", False, "failed", "no tests were found"),
        (5, "<testsuite/>", True, "did not run", "none of its tests was requested"),
        (-9, None, False, "failed", "exit status -9 and no report"),
        (124, None, False, "failed", "stopped at its time limit"),
        (3, None, False, "failed", "its virtual machine did not start, see above"),
    ],
)
def test_how_a_tier_ended(
    code: int, xml: str | None, filtered: bool, verdict: str, reason: str
) -> None:
    found = make_result("nfs", code, xml, 1.5, filtered=filtered)
    assert (found.verdict, found.reason, found.seconds) == (verdict, reason, 1.5)


@pytest.mark.parametrize(
    ("reason", "ci", "code"),
    [("not here: fish", True, 0), ("later", False, 0), ("later", True, 1)],
)
def test_a_skip_needs_a_good_reason_in_ci(reason: str, ci: bool, code: int) -> None:
    xml = REPORT.splitlines()[-3:-2][0].replace("later", reason)
    found = parse_report("unit", f'<testsuite><testcase name="a"/>{xml}</testsuite>')
    assert found.skipped == 1
    assert tiers_exit_code([found], ci=ci) == code


def test_the_table_and_the_last_line() -> None:
    outcomes = [
        TierResult("lint", passed=4, seconds=2.04),
        TierResult("nfs", ran=False, reason="needs root"),
        TierResult("unit", passed=9, failed=1, skipped=2, seconds=99, reason="2 skipped, later"),
    ]
    assert format_rows(outcomes) == [
        ("lint", "passed", "4", "0", "0", "2.0", "30", ""),
        ("unit", "failed", "9", "1", "2", "99.0", "60", "over budget by 39 s; 2 skipped, later"),
        ("nfs", "did not run", "", "", "", "", "170", "needs root"),
    ]
    assert all(len(row) == len(COLUMNS) for row in format_rows(outcomes))
    assert format_totals(outcomes) == "13 passed, 1 failed, 2 skipped"


@pytest.mark.parametrize(
    ("folder", "closed", "cover"),
    [
        ("/srv/checkout", {"/root"}, ""),
        ("/root/checkout", {"/root"}, "/root"),
        ("/root/.pyenv/versions/3.11", {"/root", "/root/.pyenv"}, "/root"),
        ("/root", {"/root"}, ""),
    ],
)
def test_the_topmost_closed_folder(folder: str, closed: set[str], cover: str) -> None:
    assert closed_above(folder, closed.__contains__) == cover

"""Reports of the judge of git directories, and the file of approvals."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from repoman_tasks.planning.trust.git_reports import (
    GitReport,
    approval_lines,
    approved_marks,
    parse_reports,
    without_repo,
)

REPORT = GitReport(0, "config", "/r/a/.git/config", "core.pager", "less\tmore", "m1")
HOOK = GitReport(1, "hook", "/r/a/s/.git/hooks/pre-push", "pre-push", "0123456789abcdef00", "m2")
OUTPUT = b"repo\0/r/a\x000\0config\0/r/a/.git/config\0core.pager\0less\tmore\0m1\0end\0"


def test_reports_are_listed_by_repo() -> None:
    assert parse_reports(OUTPUT + b"repo\0/r/b\0end\0") == {"/r/a": [REPORT], "/r/b": []}


@pytest.mark.parametrize("length", range(1, len(OUTPUT)))
def test_output_that_is_cut_is_an_error_or_no_answer(length: int) -> None:
    try:
        reports = parse_reports(OUTPUT[:length])
    except ValueError:
        return
    assert reports == {}


@given(st.binary())
def test_any_other_output_is_an_error_or_no_answer(output: bytes) -> None:
    try:
        parse_reports(output)
    except ValueError:
        return


def test_a_report_is_shown_with_its_place_and_value() -> None:
    assert REPORT.describe("/r/a") == ".git/config: core.pager"
    assert REPORT.show("/r/a") == ".git/config: core.pager = less\nmore"
    assert HOOK.show("/r/a") == "s/.git/hooks/pre-push (hook, sha256 0123456789abcdef)"


def test_only_what_is_shown_in_full_can_be_approved() -> None:
    fits, long = (replace(REPORT, value="x" * size + "!evil") for size in (3995, 3996))
    assert fits.can_be_approved
    assert fits.show("/r/a").endswith("!evil")
    assert not long.can_be_approved
    assert long.show("/r/a").endswith("x!evi… (4001 characters)")


def test_approvals_of_one_repo_replace_only_its_own() -> None:
    stored = "\n".join([*approval_lines("/r/a", [REPORT]), *approval_lines("/r/b\n", [HOOK])])
    assert approved_marks(stored.encode()) == {"m1", "m2"}
    assert without_repo(stored.encode(), "/r/a") == list(approval_lines("/r/b\n", [HOOK]))
    assert without_repo(None, "/r/a") == []

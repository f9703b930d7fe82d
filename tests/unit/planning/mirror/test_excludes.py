"""Exclude patterns that a repo may request."""

from __future__ import annotations

import pytest

from repoman_tasks.errors import UsageError
from repoman_tasks.model import Project
from repoman_tasks.planning.mirror.excludes import exclude_finding, excludes_fault, pattern_fault
from repoman_tasks.registry import parse_requested


@pytest.mark.parametrize(
    "pattern",
    [
        *("build", "build/", "/build", "*.o", "docs/*.pdf", "**/node_modules", "*.py[co]"),
        *(".venv", ".cache/", "with space", "-n", "! x", "übung", "x" * 200, "a..b", ".gitignore"),
    ],
)
def test_valid_patterns(pattern: str) -> None:
    assert pattern_fault(pattern) == ""


@pytest.mark.parametrize(
    ("pattern", "fault"),
    [
        *(("", "excludes everything"), ("/", "excludes everything"), ("*", "excludes everything")),
        *(
            ("/**", "excludes everything"),
            ("?*", "excludes everything"),
            ("[a-z]*", "excludes everything"),
        ),
        *(
            (".", "excludes everything"),
            (".*", "excludes everything"),
            ("*.*/", "excludes everything"),
        ),
        *((".git", "git's own"), ("/.git/", "git's own"), ("x/.git/objects", "git's own")),
        *(("..", "out of the repo"), ("/../x", "out of the repo"), ("x/..", "out of the repo")),
        *(("x" * 201, "longer than 200"), ("*a" * 7, "more than 6")),
        *(
            ("a\nb", "unprintable characters"),
            ("a\x1b[2J", "unprintable characters"),
            ("a\u202eb", "unprintable"),
        ),
        ("a\\*", "backslash"),
    ],
)
def test_invalid_patterns(pattern: str, fault: str) -> None:
    assert fault in pattern_fault(pattern)
    assert fault in excludes_fault(["fine", pattern])


def test_a_hundred_patterns_are_allowed() -> None:
    assert excludes_fault(["x"] * 100) == ""
    assert "101 patterns" in excludes_fault(["x"] * 101)


def test_errors_name_the_line_of_the_file() -> None:
    assert parse_requested('exclude = ["build"]', "f").exclude == ("build",)
    with pytest.raises(UsageError, match=r"f, line 2: exclude: '\.git' excludes git's own"):
        parse_requested('image = "x"\nexclude = ["build", ".git"]\n', "f")
    with pytest.raises(UsageError, match="list of strings"):
        parse_requested("exclude = [1]", "f")


def test_the_finding_lists_all_patterns() -> None:
    patterns = tuple(f"p{number}" for number in range(100))
    found = exclude_finding(Project("isurus", requested_exclude=patterns))
    assert found is not None
    assert not found.problem
    assert all(pattern in found.what for pattern in patterns)
    assert "`repoman update isurus`" in found.cure
    assert exclude_finding(Project("isurus")) is None
    assert exclude_finding(Project("isurus", backup=False, requested_exclude=("x",))) is None

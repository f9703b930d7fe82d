"""Settings and files that the judge of git refuses, and the approvals that it reads. Pure.

The judge is a program of its own (repoman_tasks/guard/git.sh). It runs on the host of the repo.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence

from repoman_tasks.late_dataclass import dataclass

__all__ = [
    "GitReport",
    "approval_lines",
    "approved_marks",
    "parse_reports",
    "without_repo",
]

_FIELDS = 6
_MOST_SHOWN = 4000
"""Limit of characters of a value that are shown."""
_UNSAFE, _UNREAD = "unsafe", "unread"
_ABOUT_FILE = ("hook", "remote")


@dataclass(frozen=True)
class GitReport:
    """One thing in a git directory that could make the host's git run a program."""

    depth: int
    """Number of repos around this one: 0, or more for a submodule."""
    kind: str
    file: str
    key: str
    value: str
    mark: str
    """Fingerprint of all this, which an approval is of."""

    @property
    def can_be_approved(self) -> bool:
        """Return False if git would leave the repo or can't read it, or if not all is shown."""
        return self.kind not in (_UNSAFE, _UNREAD) and len(self.value) <= _MOST_SHOWN

    @property
    def incomplete(self) -> bool:
        """Return True if there may be more than is reported, which nobody can have seen."""
        return self.kind == _UNREAD

    def describe(self, repo: str) -> str:
        """Return what is refused and where, with a path relative to `repo`."""
        file = self.file.removeprefix(f"{repo}/")
        return file if self.kind in _ABOUT_FILE else f"{file}: {self.key}"

    def show(self, repo: str) -> str:
        """Return it with its value, shortened if it is very long, as a line for a person."""
        if self.kind in _ABOUT_FILE:
            return f"{self.describe(repo)} ({self.kind}, sha256 {self.value[:16]})"
        value = self.value.replace("\t", "\n")
        if len(value) > _MOST_SHOWN:
            value = f"{value[:_MOST_SHOWN]}… ({len(value)} characters)"
        return f"{self.describe(repo)}" + (f" = {value}" if value else "")


def parse_reports(output: bytes) -> dict[str, list[GitReport]]:
    """Return the judge's reports by repo. Raise ValueError if its output is not complete."""
    *fields, rest = output.decode(errors="surrogateescape").split("\0")
    if rest or (fields and fields[-1] != "end"):
        raise ValueError(rest)
    words = iter(fields)
    reports: dict[str, list[GitReport]] = {}
    for word in words:
        if word != "repo":
            raise ValueError(word)
        listed = reports.setdefault(next(words, ""), [])
        while (depth := next(words, "")) != "end":
            others = list(itertools.islice(words, _FIELDS - 1))
            if len(others) < _FIELDS - 1:
                raise ValueError(depth)
            listed.append(GitReport(int(depth), *others))
    return reports


# --- the file of approvals: a line for each mark, with its repo and what it is of -----------


def approved_marks(stored: bytes | None) -> set[str]:
    """Return the marks that were approved."""
    lines = (stored or b"").decode(errors="surrogateescape").splitlines()
    return {line.partition("\t")[0] for line in lines}


def without_repo(stored: bytes | None, repo: str) -> list[str]:
    """Return the lines of other repos."""
    lines = (stored or b"").decode(errors="surrogateescape").splitlines()
    return [line for line in lines if line.split("\t")[1:2] != [_escaped(repo)]]


def approval_lines(repo: str, reports: Iterable[GitReport]) -> Sequence[str]:
    """Return the lines that approve `reports` in `repo`."""
    return [
        f"{report.mark}\t{_escaped(repo)}\t{_escaped(report.describe(repo))}" for report in reports
    ]


def _escaped(text: str) -> str:
    """Return `text` as it stands in a line of the file, without tabs and line breaks."""
    return text.encode("unicode_escape", errors="surrogatepass").decode()

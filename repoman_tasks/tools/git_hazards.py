"""Finds what makes git run commands in a repo: hooks, and what the judge of git refuses."""

from __future__ import annotations

import itertools
import posixpath
from collections import Counter
from collections.abc import Iterable, Mapping
from hashlib import sha256

from repoman_tasks.errors import RepomanError
from repoman_tasks.hosts.base import Future, Host
from repoman_tasks.planning.trust.git_reports import GitReport
from repoman_tasks.planning.trust.hazard_findings import Hazard
from repoman_tasks.planning.trust.hazard_names import MODULES
from repoman_tasks.tools.git_judge import submit_reports

__all__ = ["git_hazards"]

_JUDGED = (".git", "commondir", "config", "config.worktree", "HEAD")
"""Names of the files that the judge has git read."""
_MAX_REPORTS = 512
"""Limit of what the judge reports of one repo: beyond it, it stops."""
_MAX_NESTED = 200
"""Limit of repos inside of a repo that are judged besides its submodules."""


def git_hazards(
    host: Host,
    repo: str,
    files: Mapping[str, tuple[str, ...]],
    judged: Future[dict[str, list[GitReport] | RepomanError]],
) -> list[Hazard]:
    """Return the hazards of git in a repo.

    `files` are those that git reads, with their marks, and `judged` has the judge's reports.
    """
    nested = sorted(_nested(files))
    answers = [_unwrap(judged.result()[repo])]
    if nested:
        trees = [f"{repo}/{folder}" for folder in nested[:_MAX_NESTED]]
        more = submit_reports(host, trees).result()
        answers += [_unwrap(more[tree]) for tree in trees]
    listed = list(itertools.chain.from_iterable(answers))
    marks = _marks_of(listed, repo)
    hazards = {path: Hazard(path, "git", m) for path, m in files.items() if _counts(path, files)}
    hazards |= {w: Hazard(w, "git", (m,)) for w, m in marks.items() if w not in hazards}
    unread = {report.describe(repo) for report in listed if report.incomplete}
    hazards |= {what: Hazard(what, "git", ()) for what in unread}
    for reports in answers:
        if len(reports) >= _MAX_REPORTS:  # nobody saw the rest, so it stays new
            ((file, _),) = Counter(report.file for report in reports).most_common(1)
            what = f"{file.removeprefix(f'{repo}/')} has too many settings of git, not all are read"
            hazards[what] = Hazard(what, "git", ())
    if len(nested) > _MAX_NESTED:
        what = f".git: more than {_MAX_NESTED} git directories"
        hazards[".git"] = Hazard(what, "git", ())
    return list(hazards.values())


def _marks_of(listed: Iterable[GitReport], repo: str) -> dict[str, str]:
    """Return a mark of each thing reported: of all its values, because a key may have several."""
    marks: dict[str, set[str]] = {}
    for report in listed:
        marks.setdefault(report.describe(repo), set()).add(report.mark)
    return {what: _joined(sorted(values)) for what, values in marks.items()}


def _joined(values: list[str]) -> str:
    """Return one mark for `values`: a single one as it is, as earlier versions recorded it."""
    return values[0] if len(values) == 1 else _digest(values)


def _digest(texts: Iterable[str]) -> str:
    return sha256("\0".join(texts).encode(errors="surrogateescape")).hexdigest()


def _unwrap(answer: list[GitReport] | RepomanError) -> list[GitReport]:
    if isinstance(answer, RepomanError):
        raise answer
    return answer


def _nested(files: Iterable[str]) -> set[str]:
    """Return the folders in the repo that have a .git of their own."""
    ends = ("/.git", "/.git/config", "/.git/HEAD")
    return {path[: -len(end)] for path in files for end in ends if path.endswith(end)}


def _counts(path: str, files: Mapping[str, tuple[str, ...]]) -> bool:
    """Return True if the file counts as it is, and not by what git finds in it."""
    return posixpath.basename(path) not in _JUDGED and _is_read(path, files)


def _is_read(path: str, files: Mapping[str, tuple[str, ...]]) -> bool:
    """Return True if git reads the file: a sample is none, a submodule's folder has a HEAD."""
    if "/hooks/" in path and path.endswith(".sample"):
        return False
    if not path.startswith(f"{MODULES}/"):
        return True
    folder = posixpath.dirname(path)
    while folder != MODULES and f"{folder}/HEAD" not in files:
        folder = posixpath.dirname(folder)
    return folder != MODULES

"""Judges git directories by the host's own git, and keeps what a person approved in them.

No parser of ours reads git's files: git has another view of byte order marks, form feeds,
includes and indirections than any of them.
"""

from __future__ import annotations

from collections.abc import Sequence

from repoman_tasks.errors import Failed, RepomanError
from repoman_tasks.guard import judge_script
from repoman_tasks.hosts.base import Future, Host, Result
from repoman_tasks.planning.trust.git_reports import (
    GitReport,
    approval_lines,
    approved_marks,
    parse_reports,
    without_repo,
)
from repoman_tasks.registry.names_file import state_folder

__all__ = ["approve_reports", "judge_repo", "read_marks", "revoke_reports", "submit_reports"]

_SECONDS = 30.0
_MOST_BYTES = 16 << 20
_NO_GIT = 127


def submit_reports(
    host: Host, repos: Sequence[str]
) -> Future[dict[str, list[GitReport] | RepomanError]]:
    """Ask for what the host's git must not read in each of `repos`, or for the error.

    No program of a repo runs meanwhile. Without git on the host there is nothing to refuse.
    """
    if not repos:
        return Future(dict)
    judged = _submit(host, repos)

    def read() -> dict[str, list[GitReport] | RepomanError]:
        try:
            return _parse(judged.result(), repos)
        except RepomanError as problem:
            if len(repos) == 1:
                return {repos[0]: problem}
            # One repo may take the time of all, so ask for each alone.
            each = {repo: submit_reports(host, [repo]) for repo in repos}
            return {repo: future.result()[repo] for repo, future in each.items()}

    return Future(read)


def _submit(host: Host, repos: Sequence[str]) -> Future[Result]:
    argv = ["sh", "-c", judge_script(), "repoman-judge", state_folder(host), *repos]
    return host.submit(argv, timeout=_SECONDS, max_bytes=_MOST_BYTES)


def _parse(result: Result, repos: Sequence[str]) -> dict[str, list[GitReport] | RepomanError]:
    if result.code == _NO_GIT:
        return {repo: [] for repo in repos}
    try:
        reports = parse_reports(result.out)
        return {repo: reports[repo] for repo in repos}
    except (ValueError, KeyError):
        raise Failed("git can't be judged", result.complaint) from None


def judge_repo(host: Host, repo: str) -> list[GitReport]:
    """Return what the host's git must not read in `repo`."""
    answer = submit_reports(host, [repo]).result()[repo]
    if isinstance(answer, RepomanError):
        raise answer
    return answer


# --- approvals ------------------------------------------------------------------------------


def read_marks(host: Host) -> set[str]:
    """Return the marks of everything that a person has approved in git directories."""
    return approved_marks(host.read_file(_approvals(host)))


def approve_reports(host: Host, repo: str, reports: Sequence[GitReport]) -> None:
    """Record that a person approves `reports`; they replace what was approved in `repo`."""
    _replace(host, repo, approval_lines(repo, reports))


def revoke_reports(host: Host, repo: str) -> bool:
    """Withdraw what was approved in `repo`; return whether there was anything."""
    stored = host.read_file(_approvals(host))
    if len(without_repo(stored, repo)) == len(without_repo(stored, "")):
        return False
    _replace(host, repo, [])
    return True


def _replace(host: Host, repo: str, lines: Sequence[str]) -> None:
    path = _approvals(host)
    with host.lock(f"{state_folder(host)}/approvals.lock", wait_seconds=10):
        kept = without_repo(host.read_file(path), repo)
        text = "".join(f"{line}\n" for line in [*kept, *lines])
        host.write_file(path, text.encode(errors="surrogateescape"))


def _approvals(host: Host) -> str:
    return f"{state_folder(host)}/approvals/git"

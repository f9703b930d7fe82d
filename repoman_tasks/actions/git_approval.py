"""Approval of what the guard for git refuses in a repo, for `trust --git` and `untrust --git`."""

from __future__ import annotations

from repoman_tasks.actions.facts import reconcile
from repoman_tasks.actions.project_container import repo_path
from repoman_tasks.errors import Refused, UsageError
from repoman_tasks.planning.current_project import named_or_current
from repoman_tasks.planning.names import absolute
from repoman_tasks.planning.prompts import APPROVE_GIT
from repoman_tasks.session import Session
from repoman_tasks.tools.git_judge import approve_reports, judge_repo, read_marks

__all__ = ["approve_git", "find_git_repo"]


def find_git_repo(session: Session, name: str | None, command: str) -> str:
    """Return the real path of the repo of project `name`, or of the folder that `name` is.

    A folder has a slash in its path. It may belong to no project, as after `restore`.
    """
    host = session.host
    if name and "/" in name:
        path = host.real_folder(
            absolute(name, host.home) if name[0] in "/~" else f"{host.folder}/{name}"
        )
        if path is None:
            raise UsageError(f"{name} is not a folder", "name a project, or a folder with a .git")
        return path
    facts = session.of(reconcile)
    project, _ = named_or_current(facts.registry, facts.local_repos, name, host.folder, command)
    return repo_path(facts, project)


def approve_git(session: Session, repo: str) -> bool:
    """Ask a person to approve what the guard refuses in `repo`; return if there was anything.

    Raise Refused if it is denied, or if there is no terminal to ask on. What is approved are the
    values and contents that were shown, not what is there after the answer.
    """
    reports = judge_repo(session.host, repo)
    known = read_marks(session.host)
    shown = [report for report in reports if report.can_be_approved]
    for report in reports:
        if not report.can_be_approved:
            session.screen.note(f"can't be approved: {report.show(repo)}")
    if all(report.mark in known for report in shown):
        return False
    session.screen.note(f"the git directory of {repo} has:")
    for report in shown:
        sign = " " if report.mark in known else "+"
        session.screen.note(f"  {sign} {report.show(repo)}")
    session.screen.note("a program may read files of the repo; no approval covers their content")
    if session.dry or not session.prompter.grant(APPROVE_GIT):
        cure = "run `repoman trust --git` on a terminal"
        raise Refused(f"the git directory of {repo} was not approved", cure)
    approve_reports(session.host, repo, shown)
    return True

"""`untrust`: revoke the approval of a project's repo."""

from __future__ import annotations

from repoman_tasks.actions.facts import reconcile
from repoman_tasks.actions.git_approval import find_git_repo
from repoman_tasks.actions.project_container import repo_path, resolve_project
from repoman_tasks.cli.task import task
from repoman_tasks.session import Session
from repoman_tasks.tools.approvals import revoke
from repoman_tasks.tools.git_judge import revoke_reports
from repoman_tasks.wizards.project_choice import ask_project

_NOTHING = "nothing was approved"


@task(
    wizard=ask_project,
    pre=[reconcile],
    positional=["name"],
    help={
        "name": "Name of the project (default: the one whose repo you are in).",
        "git": "Revoke what `trust --git` approved; NAME may be the path of a folder.",
    },
    examples={
        "repoman untrust --git isurus": "Have the guard for git refuse again what it has",
        "repoman untrust isurus": "Revoke what was approved for a project",
        "repoman untrust": "Revoke it for the repo that you are in",
    },
)
def untrust(session: Session, name: str | None = None, git: bool = False) -> None:
    """Revoke the approval of a repo's .repoman.toml.

    The next `repoman update` removes from the container what it approved.
    """
    if git:
        repo = find_git_repo(session, name, "untrust")
        revoked = revoke_reports(session.host, repo)
        session.screen.line(f"revoked the approval of {repo}" if revoked else _NOTHING)
        return
    facts = session.of(reconcile)
    project, _ = resolve_project(facts, name, session.host.folder, "untrust")
    if revoke(session.host, repo_path(facts, project)):
        session.screen.line(f"revoked the approval of {project.name}")
        session.screen.note(f"Next: repoman update {project.name}, to apply that to its container")
    else:
        session.screen.line(_NOTHING)

"""`trust`: approve what a project's repo requests beyond its container."""

from __future__ import annotations

from repoman_tasks.actions.approval import approve_request, submit_requests
from repoman_tasks.actions.facts import reconcile
from repoman_tasks.actions.git_approval import approve_git, find_git_repo
from repoman_tasks.actions.project_container import repo_path, resolve_project
from repoman_tasks.cli.task import task
from repoman_tasks.errors import quoted
from repoman_tasks.session import Session
from repoman_tasks.wizards.project_choice import ask_project

_NOTHING = "nothing to approve"


@task(
    wizard=ask_project,
    pre=[reconcile],
    positional=["name"],
    help={
        "name": "Name of the project (default: the one whose repo you are in).",
        "git": "Review what the guard for git refuses there; NAME may be the path of a folder.",
    },
    examples={
        "repoman trust isurus": "Review the requests of a repo, and approve them",
        "repoman trust": "Review those of the repo that you are in",
        "repoman trust --git isurus": "Review its hooks and git configuration, and approve them",
    },
    exit_codes={
        "6": "refused: it was not approved, or is never allowed",
    },
)
def trust(session: Session, name: str | None = None, git: bool = False) -> None:
    """Show what a repo's .repoman.toml requests beyond its container, and approve it."""
    if git:
        repo = find_git_repo(session, name, "trust")
        approved = approve_git(session, repo)
        session.screen.line(f"approved the git directory of {repo}" if approved else _NOTHING)
        return
    facts = session.of(reconcile)
    project, _ = resolve_project(facts, name, session.host.folder, "trust")
    answers = submit_requests(session, repo_path(facts, project), project)
    cure = (
        f"run `repoman trust {quoted(project.name)}` on a terminal, "
        f"or in a script `repoman update {quoted(project.name)} --trust`"
    )
    if approve_request(session, answers, cure):
        session.screen.line(f"approved the requests of {project.name}")
        session.screen.note(f"Next: repoman update {project.name}")
    else:
        session.screen.line(_NOTHING)

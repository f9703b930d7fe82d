"""`untrust`: revoke the approval of a project's repo."""

from __future__ import annotations

from repoman_tasks.actions.facts import reconcile
from repoman_tasks.actions.project_container import repo_path, resolve_project
from repoman_tasks.cli.task import task
from repoman_tasks.session import Session
from repoman_tasks.tools.approvals import revoke
from repoman_tasks.wizards.project_choice import ask_project


@task(
    wizard=ask_project,
    pre=[reconcile],
    positional=["name"],
    help={"name": "Name of the project (default: the one whose repo you are in)."},
    examples={
        "repoman untrust isurus": "Revoke what was approved for a project",
        "repoman untrust": "Revoke it for the repo that you are in",
    },
)
def untrust(session: Session, name: str | None = None) -> None:
    """Revoke the approval of a repo's .repoman.toml.

    The next `repoman update` removes from the container what it approved.
    """
    facts = session.of(reconcile)
    project, _ = resolve_project(facts, name, session.host.folder, "untrust")
    if revoke(session.host, repo_path(facts, project)):
        session.screen.line(f"revoked the approval of {project.name}")
        session.screen.note(f"Next: repoman update {project.name}, to apply that to its container")
    else:
        session.screen.line("nothing was approved")

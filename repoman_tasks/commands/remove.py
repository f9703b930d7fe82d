"""`remove`: forget a project."""

from __future__ import annotations

from repoman_tasks.apply import carry_out
from repoman_tasks.checks import reconcile
from repoman_tasks.cli.task import task
from repoman_tasks.errors import UsageError
from repoman_tasks.planning.setup import remove_steps
from repoman_tasks.planning.sync import find_project
from repoman_tasks.session import Session


@task(
    pre=[reconcile],
    positional=["name"],
    greedy=True,
    help={
        "name": "Name of the project.",
        "keep_repo": "Leave the repo as it is, which is also the default.",
        "dry_run": "Show what would change.",
    },
)
def remove(
    session: Session,
    name: str | None = None,
    keep_repo: bool = False,  # noqa: ARG001  # says what is done anyway
    dry_run: bool = False,
) -> None:
    """Forget a project; its repo and its mirror stay as they are."""
    if name is None:
        raise UsageError("remove needs a name", "`repoman remove NAME`")
    found = session.of(reconcile)
    steps = remove_steps(find_project(found.registry, name), found.local_repos)
    carry_out(session, steps, dry_run=dry_run, default=False)

"""`adopt`: make an existing container the container of a project."""

from __future__ import annotations

from functools import partial

from repoman_tasks.actions.adoption import plan_adoption
from repoman_tasks.actions.apply import apply_plan
from repoman_tasks.actions.facts import containers, incus, reconcile
from repoman_tasks.actions.project_container import check_incus_project, lock_container
from repoman_tasks.cli.task import task
from repoman_tasks.errors import UsageError, quoted
from repoman_tasks.planning.container.homes import nesting_project
from repoman_tasks.planning.names import check_name
from repoman_tasks.session import Session
from repoman_tasks.wizards.project_choice import ask_adopt


@task(
    wizard=ask_adopt,
    pre=[reconcile, containers],
    positional=["name"],
    greedy=True,
    help={
        "name": "Name of the container, and of the project.",
        "from_project": "Incus project that holds the container (default: repoman's own).",
        "repo": "Folder of the repo, relative to local_repos or absolute (default: NAME).",
        "dry_run": "Show what would change, and change nothing.",
    },
    examples={
        "repoman adopt isurus": "Take in a container of repoman's Incus project",
        "repoman adopt isurus --from-project default --repo ~/repos/isurus": (
            "Take one in from another Incus project"
        ),
    },
    exit_codes={
        "4": "another command is working on the project",
        "6": "refused, because its mounts are never allowed",
        "130": "interrupted, or a prompt was answered with no",
    },
)
def adopt(
    session: Session,
    name: str | None = None,
    from_project: str = "",
    repo: str = "",
    dry_run: bool = False,
) -> None:
    """Make an existing container the container of a project.

    With --from-project it is copied with its disk; the original is stopped and stays.
    """
    if name is None:
        raise UsageError("adopt needs a name", "`repoman adopt NAME`")
    check_name(name)
    check_incus_project(session.of(incus))
    first = session.of(incus).project
    if from_project in (first, nesting_project(first)):
        from_project = ""
    plan = plan_adoption(session, name, from_project, repo)
    lock = partial(lock_container, session, name)
    if apply_plan(session, plan, dry_run=dry_run, on_confirm=lock):
        if from_project:
            original = f"{name} in the Incus project {from_project} is stopped and was kept"
            delete = f"`incus delete --project {quoted(from_project, name)}`"
            cure = f"{delete} when you no longer need it"
            session.screen.note(f"{original}: {cure}")
        session.screen.note(f"Next: repoman shell {name}")

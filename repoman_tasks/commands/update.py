"""`update`: make a project's container what it is declared to be."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from repoman_tasks.actions.apply import Plan, carry_out
from repoman_tasks.actions.approval import allowed_requests, foresee_wishes
from repoman_tasks.actions.container_plans import (
    acl_steps,
    foresee_ruling,
    mount_permission_steps,
    step_runner,
    with_addresses,
    with_protected,
)
from repoman_tasks.actions.container_steps import StepRunner
from repoman_tasks.actions.facts import containers, person, reconcile
from repoman_tasks.actions.project_container import (
    existing_container,
    lock_container,
    repo_of,
    resolve_project,
    spec_of,
)
from repoman_tasks.cli.task import task
from repoman_tasks.errors import Failed, Refused
from repoman_tasks.model import Project
from repoman_tasks.planning.container.lifecycle import record_steps, update_steps
from repoman_tasks.planning.container.spec import Container, apply_requested
from repoman_tasks.planning.mirror.sync_plan import find_project
from repoman_tasks.planning.steps import ArrangeUser
from repoman_tasks.session import Session
from repoman_tasks.tools.guest import GuestHandle, foresee_user, has_user
from repoman_tasks.tools.images import image_origin
from repoman_tasks.wizards.project_choice import ask_project

_LOOKS = 10
"""How often a container is looked into that can't be, a second apart."""


@task(
    wizard=ask_project,
    pre=[reconcile, containers],
    asks=[person],
    positional=["name"],
    help={
        "name": "Name of the project (default: the one whose repo you are in).",
        "restart": "Restart the container if a change requires it.",
        "rebuild": "Recreate its disk if the image changed; installed packages are lost.",
        "trust": "Approve what the repo's .repoman.toml requests beyond its container.",
        "dry_run": "Show what would change, and change nothing.",
    },
    examples={
        "repoman update isurus --dry-run": "Show what differs",
        "repoman update isurus --restart": "Apply all changes, with a restart if one requires it",
        "repoman update isurus --rebuild --yes": (
            "Recreate its disk from a new image, without questions"
        ),
    },
    exit_codes={
        "4": "another command is working on the project",
        "6": "refused: a request was not approved; all else was applied",
        "130": "interrupted, or a prompt was answered with no",
    },
)
def update(
    session: Session,
    name: str | None = None,
    restart: bool = False,
    rebuild: bool = False,
    trust: bool = False,
    dry_run: bool = False,
) -> None:
    """Apply the registry and the repo's .repoman.toml to a project's container."""
    project, _ = resolve_project(session, name, "update")
    container = existing_container(session, project)
    runner = step_runner(session)
    _foresee(session, project, container, runner)
    after, refusal = _with_wishes(session, project, trusted=trust, dry_run=dry_run)
    after = with_protected(session, with_addresses(session, after))
    spec = spec_of(session, after)
    container, user_is_missing = _looked_into(container, runner)
    steps, left = update_steps(
        spec,
        container,
        image_origin(runner.incus, spec.image) if rebuild else None,
        ArrangeUser(project.name, runner.person.name, repo_of(session, project)),
        restart=restart,
        user_is_missing=user_is_missing,
    )
    for difference in left:
        session.screen.note(f"left as it is, it needs --{difference.need}: {difference.what}")
    stored = find_project(session.of(reconcile).stored, project.name)
    before = [*(mount_permission_steps(session, spec) if steps else []), *acl_steps(session, after)]
    plan = Plan([*before, *steps, *record_steps(stored, after)], runner=runner)
    carry_out(session, plan, dry_run=dry_run, agreed=partial(lock_container, session, project.name))
    if refusal:  # what is not approved was taken away, or never came
        raise refusal


def _foresee(session: Session, project: Project, container: Container, runner: StepRunner) -> None:
    """Have a host that is far away asked for all that follows from what is known."""
    foresee_wishes(session, project, repo_of(session, project))
    foresee_ruling(session, project)
    if container.running:
        foresee_user(GuestHandle(runner.incus, container.name, runner.person))


def _with_wishes(
    session: Session, project: Project, *, trusted: bool, dry_run: bool
) -> tuple[Project, Refused | None]:
    """The project with what its repo asks for now, and a refusal of what nobody approved.

    A repo that is missing asks as before.
    """
    if session.of(reconcile).repos[project.name].problem:
        return project, None
    name = project.name
    how = f"`repoman trust {name}` shows it and asks; in a script, `repoman update {name} --trust`"
    path = repo_of(session, project)
    asks, refusal = allowed_requests(session, path, how, trusted=trusted, dry_run=dry_run)
    after = apply_requested(project, asks, "", ())
    return replace(after, image=project.image, profiles=project.profiles), refusal


def _looked_into(container: Container, runner: StepRunner) -> tuple[Container, bool]:
    """The container as it is now, and whether its user is missing; one that is down is not asked.

    It may be on its way down, by a command that was killed for one: it can't be asked then, though
    Incus says that it runs.
    """
    looks_left = _LOOKS
    while container.running:
        looks_left -= 1
        try:
            return container, not has_user(GuestHandle(runner.incus, container.name, runner.person))
        except Failed:
            if not looks_left:
                raise
        runner.incus.host.read(["sleep", "1"])
        container = runner.incus.container(container.name) or container
    return container, False

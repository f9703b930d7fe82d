"""`update`: apply the registry and the repo's requests to a project's container."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

from repoman_tasks.actions.apply import Plan, apply_plan
from repoman_tasks.actions.approval import RequestAnswers, allowed_requests, submit_requests
from repoman_tasks.actions.container_plans import (
    NetworkAnswers,
    acl_steps,
    mount_permission_steps,
    step_runner,
    submit_network,
    submit_protection,
    with_addresses,
    with_protected,
)
from repoman_tasks.actions.container_steps import StepRunner
from repoman_tasks.actions.facts import containers, incus, person, reconcile
from repoman_tasks.actions.project_container import (
    lock_container,
    repo_path,
    require_container,
    resolve_project,
    spec_of,
)
from repoman_tasks.cli.task import task
from repoman_tasks.errors import Failed, Refused
from repoman_tasks.hosts.base import Future
from repoman_tasks.model import Project
from repoman_tasks.planning.container.lifecycle import record_steps, update_steps
from repoman_tasks.planning.container.spec import Container, apply_requested
from repoman_tasks.planning.fence.bridge import has_rules
from repoman_tasks.planning.mirror.sync_plan import find_project
from repoman_tasks.planning.steps import ArrangeUser
from repoman_tasks.session import Session
from repoman_tasks.tools.guest import GuestHandle, submit_user_check
from repoman_tasks.tools.images import image_origin
from repoman_tasks.tools.incus import retry_while
from repoman_tasks.wizards.project_choice import ask_project

_SECONDS = 10
"""How long to retry looking into a container."""


@task(
    wizard=ask_project,
    pre=[reconcile, containers, person],
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
    facts = session.of(reconcile)
    project, _ = resolve_project(facts, name, session.host.folder, "update")
    container = require_container(facts, session.of(containers), project)
    runner, asked = step_runner(session), _submit(session, project, container)
    after, refusal = _with_requests(session, project, asked, trusted=trust, dry_run=dry_run)
    network = asked.network or _network(session, after)
    after = with_addresses(after, facts.registry, network)
    after = with_protected(after, asked.protection.result())
    spec = spec_of(facts, after)
    container, user_is_missing = _look_inside(container, runner, asked.user)
    steps, left = update_steps(
        spec,
        container,
        image_origin(runner.incus, spec.image) if rebuild else None,
        ArrangeUser(project.name, runner.person.name, repo_path(facts, project)),
        restart=restart,
        user_is_missing=user_is_missing,
    )
    for difference in left:
        session.screen.note(f"left as it is, it needs --{difference.need}: {difference.what}")
    stored = find_project(facts.stored, project.name)
    before = [
        *(mount_permission_steps(runner.incus, spec) if steps else []),
        *acl_steps(facts.registry, runner.incus, after, network),
    ]
    plan = Plan([*before, *steps, *record_steps(stored, after)], runner=runner)
    lock = partial(lock_container, session, project.name)
    apply_plan(session, plan, dry_run=dry_run, on_confirm=lock)
    if refusal:  # what is not approved was taken away, or never came
        raise refusal


@dataclass(frozen=True)
class _Answers:
    """The answers that were submitted together."""

    requests: RequestAnswers
    protection: Future[tuple[str, ...] | None]
    network: NetworkAnswers | None
    user: Future[bool] | None
    """Return if the container has the user, None if it does not run."""


def _submit(session: Session, project: Project, container: Container) -> _Answers:
    """Submit everything that follows from the known facts."""
    repo = repo_path(session.of(reconcile), project)
    incus_project, whose = session.of(incus), session.of(person)
    handle = GuestHandle(incus_project, container.name, whose)
    return _Answers(
        submit_requests(session, repo, project),
        submit_protection(session.host, repo),
        _network(session, project),
        submit_user_check(handle) if container.running else None,
    )


def _network(session: Session, project: Project) -> NetworkAnswers | None:
    if not (has_rules(project) or project.address):
        return None
    return submit_network(session.of(incus), session.of(reconcile).registry.defaults.bridge)


def _with_requests(
    session: Session, project: Project, asked: _Answers, *, trusted: bool, dry_run: bool
) -> tuple[Project, Refused | None]:
    """Return the project with the repo's current requests, and the refusal of unapproved ones.

    A repo that is missing asks as before.
    """
    if session.of(reconcile).repos[project.name].problem:
        return project, None
    name = project.name
    how = f"`repoman trust {name}` shows it and asks; in a script, `repoman update {name} --trust`"
    requests, refusal = allowed_requests(
        session, asked.requests, how, trusted=trusted, dry_run=dry_run
    )
    after = apply_requested(project, requests, "", ())
    return replace(after, image=project.image, profiles=project.profiles), refusal


def _look_inside(
    container: Container, runner: StepRunner, asked: Future[bool] | None
) -> tuple[Container, bool]:
    """Return the container as it is now, and whether its user is missing; one that is down is not
    asked.

    It may be on its way down, by a command that was killed for one: it can't be asked then, though
    Incus says that it runs.
    """
    if asked is None:
        return container, False
    answers = iter([asked])

    def look() -> tuple[Container, bool]:
        if first := next(answers, None):
            return container, not first.result()
        now = runner.incus.container(container.name) or container
        handle = GuestHandle(runner.incus, container.name, runner.person)
        return now, now.running and not submit_user_check(handle).result()

    return retry_while(Failed, runner.host, look, _SECONDS)

"""`update`: apply the registry and the repo's requests to a project's container."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from threading import Lock

from repoman_tasks.actions.apply import Plan, apply_plan
from repoman_tasks.actions.approval import RequestAnswers, allowed_requests, submit_requests
from repoman_tasks.actions.container_plans import (
    NetworkAnswers,
    acl_steps,
    mount_permission_steps,
    project_keep,
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
    spec_of,
)
from repoman_tasks.actions.several_projects import (
    Turn,
    check_all_or_named,
    flags_of,
    for_each,
    named_containers,
)
from repoman_tasks.actions.template_images import (
    ImageSource,
    built_images,
    find_image,
    image_source,
)
from repoman_tasks.actions.volumes import VolumeAnswers, submit_volume
from repoman_tasks.cli.task import task
from repoman_tasks.errors import Failed, Refused, UsageError, quoted
from repoman_tasks.hosts.base import Future
from repoman_tasks.late_dataclass import dataclass
from repoman_tasks.model import Project
from repoman_tasks.planning.container.lifecycle import record_steps, update_steps
from repoman_tasks.planning.container.spec import (
    NEW,
    Container,
    Difference,
    Spec,
    actual_pool,
    apply_requested,
    has_volume,
    with_pool,
)
from repoman_tasks.planning.container.template_plan import is_older
from repoman_tasks.planning.container.templates import has_recipe
from repoman_tasks.planning.fence.bridge import has_rules
from repoman_tasks.planning.findings import check_renamed
from repoman_tasks.planning.mirror.sync_plan import find_project
from repoman_tasks.planning.steps import ArrangeUser, RebuildContainer, Step
from repoman_tasks.session import Session
from repoman_tasks.terminal.screen import Screen
from repoman_tasks.tools.guest import GuestHandle, submit_user_check
from repoman_tasks.tools.guest_volume import submit_volume_check
from repoman_tasks.tools.incus import retry_while
from repoman_tasks.wizards.project_choice import ask_projects

_STOP_SECONDS = 10
"""Time limit for a container that is shutting down, in which no program can run."""


@task(
    wizard=ask_projects,
    pre=[reconcile, containers, person],
    positional=["name"],
    help={
        "name": "Names of projects (default: the one whose repo you are in).",
        "all": "Update all containers.",
        "restart": "Restart the container if a change requires it.",
        "rebuild": "Recreate its disk if the image changed; installed packages are lost.",
        "trust": "Approve what the repo's .repoman.toml requests beyond its container.",
        "dry_run": "Show what would change, and change nothing.",
    },
    examples={
        "repoman update isurus --dry-run": "Show what differs",
        "repoman update isurus --restart": "Apply all changes, with a restart if one requires it",
        "repoman update --all --dry-run": "Show what differs in all of them",
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
    name: list[str],
    *,
    all: bool = False,
    restart: bool = False,
    rebuild: bool = False,
    trust: bool = False,
    dry_run: bool = False,
) -> None:
    """Apply the registry and the repo's .repoman.toml to the containers of projects."""
    check_all_or_named(name, every=all)
    if all and trust:
        raise UsageError("--all and --trust can't be combined", "name the projects to approve")
    projects = session.of(reconcile).registry.projects
    every = [project.name for project in projects if project.container]
    names = every if all else named_containers(session, name, "update")
    options = _Options(restart, rebuild, trust, dry_run, several=len(names) > 1)
    _ = session.of(containers), session.of(person)  # then all threads know them
    common = Lock() if options.several else None

    def change(session: Session, one: str) -> None:
        project = find_project(session.of(reconcile).registry, one)
        check_renamed(project)
        with Turn(session, common) as turn:
            _update(session, project, options, turn)

    flags = flags_of(restart=restart, rebuild=rebuild, trust=trust, dry_run=dry_run)
    for_each(session, names, change, "containers were not updated", "update", flags)


@dataclass(frozen=True)
class _Options:
    """Options of `update`."""

    restart: bool
    rebuild: bool
    trust: bool
    dry_run: bool
    several: bool
    """True if other projects are updated, too."""


def _update(session: Session, project: Project, options: _Options, turn: Turn) -> None:
    """Update one container. Raise Refused after all else if a request was not approved."""
    dry_run, trusted = options.dry_run, options.trust
    container = require_container(session.of(reconcile), session.of(containers), project)
    runner, answers = step_runner(session), _submit(session, project, container)
    updated, refusal = _with_requests(session, project, answers, trusted=trusted, dry_run=dry_run)
    updated = with_protected(updated, answers.protection.result())
    checked = _check_user(container, runner, answers)
    network = answers.network
    if (has_rules(updated) or project.address) and turn.take():
        network = None  # the others may have changed it
    steps = _steps(session, project, updated, checked, answers, network, options, turn)
    if any(isinstance(step, RebuildContainer) for step in steps):
        runner.check_rebuildable(project.name)
    plan = Plan(steps, runner=runner, subject=project.name if options.several else "")
    lock = partial(lock_container, session, project.name)
    apply_plan(session, plan, dry_run=dry_run, on_confirm=lock)
    if refusal:  # all else was applied
        raise refusal


def _steps(
    session: Session,
    project: Project,
    updated: Project,
    checked: tuple[Container, bool],
    answers: _Answers,
    network: NetworkAnswers | None,
    options: _Options,
    turn: Turn,
) -> list[Step]:
    """Return the steps; rules and mounts, which all containers share, are looked at in `turn`."""
    facts, find_incus = session.of(reconcile), session.of(incus)
    network = network or _submit_network(session, updated)
    updated = with_addresses(updated, facts.registry, network)
    spec, (container, user_is_missing) = spec_of(facts, updated), checked
    spec = with_pool(spec, answers.volume.pool)
    source = _source(session, updated, turn) if options.rebuild else None
    steps, left = update_steps(
        spec,
        container,
        source.origin if source else None,
        ArrangeUser(project.name, session.of(person).name, repo_path(facts, project)),
        restart=options.restart,
        user_is_missing=user_is_missing,
        older=has_recipe(updated) and _is_older(session, container, spec.image, source),
    )
    if source and any(isinstance(step, RebuildContainer) for step in steps):
        steps = [*source.steps, *steps]
    _tell_left(session.screen, left, f"{project.name}: " if options.several else "")
    no_address = any(difference.network for difference in left)
    if no_address:
        updated = replace(updated, address=project.address, address6=project.address6)
    mounts = _mount_steps(session, replace(spec, home=container.home), steps, turn)
    rules = acl_steps(facts.registry, find_incus, updated, network, only_close=no_address)
    stored = find_project(facts.stored, project.name)
    volume = answers.volume.steps(facts.registry.defaults.volume_size)
    return [*volume, *mounts, *rules, *steps, *record_steps(stored, updated)]


def _mount_steps(session: Session, spec: Spec, steps: Sequence[Step], turn: Turn) -> list[Step]:
    mounts = mount_permission_steps(session, spec) if steps else []
    return mount_permission_steps(session, spec) if mounts and turn.take() else mounts


def _source(session: Session, project: Project, turn: Turn) -> ImageSource:
    source = image_source(session, project)
    if source.steps and turn.take():  # another may have built it meanwhile
        source = image_source(session, project)
    return source


def _is_older(
    session: Session, container: Container, image: str, source: ImageSource | None
) -> bool:
    """Return True if `image` was built again since, or will be for `source`."""
    if source:
        return bool(source.steps) or is_older(container, image, source.fingerprint)
    images = session.of(built_images)
    newest = find_image(images, image)
    return newest is not None and is_older(container, image, newest.fingerprint)


def _tell_left(screen: Screen, left: Sequence[Difference], label: str) -> None:
    for difference in left:
        without = "" if difference.need == NEW else f" without --{difference.need}"
        screen.note(f"{label}not changed{without}: {difference.what}")


@dataclass(frozen=True)
class _Answers:
    """Pending answers, all submitted before the first one is awaited."""

    requests: RequestAnswers
    protection: Future[tuple[str, ...] | None]
    network: NetworkAnswers | None
    """None if the project has no network rules of its own."""
    volume: VolumeAnswers
    user: Future[bool] | None
    """True if the container has the user; None if it does not run."""
    links: Future[bool]
    """True unless it runs with its volume, and a folder to keep is not there."""


def _submit(session: Session, project: Project, container: Container) -> _Answers:
    repo = repo_path(session.of(reconcile), project)
    handle = GuestHandle(session.of(incus), container.name, session.of(person))
    return _Answers(
        submit_requests(session, repo, project),
        submit_protection(session.host, repo),
        _submit_network(session, project),
        submit_volume(session.of(incus), container.name, actual_pool(container)),
        submit_user_check(handle) if container.running else None,
        _submit_links(session, handle, container),
    )


def _submit_links(session: Session, handle: GuestHandle, container: Container) -> Future[bool]:
    if not (container.running and has_volume(container.devices)):
        return Future(lambda: True)
    registry = session.of(reconcile).registry
    return submit_volume_check(handle, project_keep(registry, container.name))


def _submit_network(session: Session, project: Project) -> NetworkAnswers | None:
    if not (has_rules(project) or project.address):
        return None
    return submit_network(session.of(incus), session.of(reconcile).registry.defaults.bridge)


def _with_requests(
    session: Session, project: Project, answers: _Answers, *, trusted: bool, dry_run: bool
) -> tuple[Project, Refused | None]:
    """Return the project with the present requests of its repo, and an error if some are denied.

    If the repo is missing, keep the requests that were applied last.
    """
    if session.of(reconcile).repos[project.name].problem:
        return project, None
    name = project.name
    in_script = f"`repoman update {quoted(name)} --trust`"
    cure = f"run `repoman trust {quoted(name)}`, or in a script {in_script}"
    requests, refusal = allowed_requests(
        session, answers.requests, cure, trusted=trusted, dry_run=dry_run
    )
    updated = apply_requested(project, requests, "", ())
    return replace(updated, image=project.image, profiles=project.profiles), refusal


def _check_user(
    container: Container, runner: StepRunner, answers: _Answers
) -> tuple[Container, bool]:
    """Return the container in its present state, and True if it runs without its user or links.

    A container that a killed command was stopping may still be running for Incus, though no program
    can run in it. Then try again until it is stopped.
    """
    if answers.user is None:
        return container, False
    first = iter([answers.user])

    def check() -> tuple[Container, bool]:
        if submitted := next(first, None):
            return container, not submitted.result()
        current = runner.incus.container(container.name) or container
        handle = GuestHandle(runner.incus, container.name, runner.person)
        return current, current.running and not submit_user_check(handle).result()

    current, is_missing = retry_while(Failed, runner.host, check, _STOP_SECONDS)
    return current, is_missing or (current.running and not answers.links.result())

"""`remove`: delete a project's container, and unregister the project."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from repoman_tasks.actions.apply import Plan, apply_plan
from repoman_tasks.actions.container_plans import acl_removal_steps, step_runner
from repoman_tasks.actions.facts import (
    containers,
    copies,
    copies_folder,
    incus,
    reconcile,
    require_containers,
    require_share,
    volumes,
    writable_share,
)
from repoman_tasks.actions.mirror_without_project import plan_deletion
from repoman_tasks.actions.project_container import lock_container, repo_path
from repoman_tasks.actions.repo_deletion import check_deletable
from repoman_tasks.actions.several_projects import check_all_or_named, flags_of, for_each
from repoman_tasks.actions.template_images import owned_image_steps
from repoman_tasks.actions.volumes import delete_volume_steps
from repoman_tasks.cli.task import task
from repoman_tasks.errors import UsageError
from repoman_tasks.late_dataclass import dataclass
from repoman_tasks.model import Project
from repoman_tasks.planning.estate_steps import remove_steps
from repoman_tasks.planning.findings import check_renamed
from repoman_tasks.planning.mirror.sync_plan import find_project
from repoman_tasks.planning.names import check_repo
from repoman_tasks.planning.prompts import DELETE_MIRROR, DELETE_REPO
from repoman_tasks.planning.steps import DeleteContainer, DeleteFolder, Step
from repoman_tasks.session import Session
from repoman_tasks.tools.repo_copies import about_files
from repoman_tasks.tools.share import Share
from repoman_tasks.wizards.project_choice import ask_remove


@task(
    wizard=ask_remove,
    pre=[reconcile],
    positional=["name"],
    greedy=True,
    help={
        "name": "Names of projects.",
        "all": "Remove all projects.",
        "keep_repo": "Keep the repo, which is the default.",
        "delete_repo": "Delete the repo too, if its mirror holds all of it.",
        "mirror": "Delete the mirror called NAME on the share instead, which no project has.",
        "keep_volume": "Keep its volume, with the agents' state, for a project of the same name.",
        "dry_run": "Show what would change, and change nothing.",
    },
    examples={
        "repoman remove isurus": "Remove a project, and keep its repo",
        "repoman remove isurus --delete-repo": (
            "Remove a project and its repo; only the mirror stays"
        ),
        "repoman remove --all --dry-run": "Show what would be deleted of all projects",
        "repoman remove oldie --mirror": "Delete the mirror of a project that was removed before",
    },
    exit_codes={
        "4": "another command is working on the project",
        "5": "the backup share is not usable, which --delete-repo and --mirror need",
        "6": "refused: the mirror does not hold all of the repo, or belongs to a project",
        "130": "interrupted, or a prompt was answered with no",
    },
)
def remove(
    session: Session,
    name: list[str],
    *,
    all: bool = False,
    keep_repo: bool = False,
    delete_repo: bool = False,
    mirror: bool = False,
    keep_volume: bool = False,
    dry_run: bool = False,
) -> None:
    """Delete containers and volumes of projects, and forget them; their repos and mirrors stay."""
    check_all_or_named(name, every=all)
    if not (name or all):
        raise UsageError("remove needs a name", "`repoman remove NAME`")
    if keep_repo and delete_repo:
        raise UsageError("--keep-repo and --delete-repo can't be combined", "choose one")
    if mirror and (keep_repo or delete_repo or keep_volume or all):
        raise UsageError("--mirror can't be combined with other options", "leave them out")
    projects = session.of(reconcile).registry.projects
    names = [p.name for p in projects] if all else list(dict.fromkeys(name))
    options = _Options(delete_repo, keep_volume, dry_run)
    if len(names) > 1 and not mirror:
        _check_known(session, names)

    def change(session: Session, one: str) -> None:
        if one != names[0]:
            session.discard_facts()  # the others are gone
        if mirror:
            _remove_mirror(session, one, dry_run=dry_run)
        else:
            _remove(session, one, options)

    what = "mirrors were not deleted" if mirror else "projects were not removed"
    flags = flags_of(
        delete_repo=delete_repo, mirror=mirror, keep_volume=keep_volume, dry_run=dry_run
    )
    for_each(session, names, change, what, "remove", flags, at_once=False)


@dataclass(frozen=True)
class _Options:
    """Options of `remove`."""

    delete_repo: bool
    keep_volume: bool
    dry_run: bool


def _check_known(session: Session, names: Sequence[str]) -> None:
    """Raise UsageError if one of `names` has neither project, container nor volume."""
    facts, found = session.of(reconcile), session.of(containers).by_name
    for name in names:
        if name not in found and name not in session.of(volumes):
            find_project(facts.registry, name)


def _remove(session: Session, name: str, options: _Options) -> None:
    """Remove one project, or a container or volume of that name without a project."""
    delete_repo, dry_run = options.delete_repo, options.dry_run
    lock = partial(lock_container, session, name)
    project = session.of(reconcile).registry.project(name)
    volume = [] if options.keep_volume else _volume_steps(session, name)
    volume += _copies_steps(session, name)
    orphan = project is None and name in session.of(containers).by_name
    if orphan or (project is None and volume):
        container = [DeleteContainer(name, ", of no project")] if orphan else []
        plan = Plan([*container, *volume], runner=step_runner(session))
        apply_plan(session, plan, dry_run=dry_run, default=False, on_confirm=lock)
        return
    project = find_project(session.of(reconcile).registry, name)
    check_renamed(project)
    share = _share_with_mirror(session, project) if delete_repo else None
    path = repo_path(session.of(reconcile), project)
    status, rules = _container_status(session, project), acl_removal_steps(session, project)
    more = [*volume, *rules, *owned_image_steps(session, project)]
    steps = remove_steps(project, path, status, more, delete_repo=delete_repo)
    plan = Plan(steps, share, step_runner(session))
    confirmed = delete_repo and not (dry_run or session.dry)
    if confirmed:
        for step in steps:
            session.screen.note(f"  {step}")
        session.show_equivalent()
        session.prompter.typed(DELETE_REPO, path, name)
    on_confirm = lock if project.container else None
    apply_plan(
        session, plan, dry_run=dry_run, default=False, confirmed=confirmed, on_confirm=on_confirm
    )


def _remove_mirror(session: Session, name: str, *, dry_run: bool) -> None:
    """Delete a mirror of no project, after a person typed its name."""
    share = require_share(session, writable_share)
    step = plan_deletion(session, share, check_repo(name))
    confirmed = not (dry_run or session.dry)
    if confirmed:
        session.screen.note(f"  {step}")
        session.prompter.typed(DELETE_MIRROR, step.path, name)
    apply_plan(session, Plan([step], share), dry_run=dry_run, confirmed=confirmed)


def _volume_steps(session: Session, name: str) -> list[Step]:
    """Return the step that deletes the volume; none if there is none or Incus does not answer."""
    if session.of(containers).problem:
        return []
    return delete_volume_steps(session.of(incus), name)


def _copies_steps(session: Session, name: str) -> list[Step]:
    """Return the step that deletes the copies that snapshots have of a repo; none without any.

    Those of container and volume go with these.
    """
    folder = f"{copies_folder(session)}/{name}"
    if session.host.real_folder(folder) is None:
        return []
    return [DeleteFolder(folder, about_files(folder, session.of(copies).get(name, ())))]


def _container_status(session: Session, project: Project) -> str | None:
    """Return Incus's status of the project's container, None if it has none."""
    if not project.container:
        return None
    container = require_containers(session).by_name.get(project.name)
    return container.status if container else None


def _share_with_mirror(session: Session, project: Project) -> Share:
    """Return the share. Raise Refused if the project's mirror does not hold all of its repo."""
    session.of(writable_share)
    share = require_share(session, writable_share)
    host, local_repos = session.host, session.of(reconcile).local_repos
    if host.real_folder(repo_path(session.of(reconcile), project)) is not None:
        check_deletable(host, share, local_repos, project.name, project.repo)
    return share

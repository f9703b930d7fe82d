"""`reset`: make a project's container fresh from its template or image."""

from __future__ import annotations

from functools import partial

from repoman_tasks.actions.apply import Plan, apply_plan
from repoman_tasks.actions.container_plans import step_runner
from repoman_tasks.actions.facts import containers, incus, person, reconcile
from repoman_tasks.actions.project_container import (
    check_startable,
    lock_container,
    repo_path,
    require_container,
    resolve_project,
    spec_of,
)
from repoman_tasks.actions.template_images import image_source
from repoman_tasks.cli.task import task
from repoman_tasks.errors import UsageError, quoted
from repoman_tasks.planning.container.spec import IMAGE_TAG, Container, has_volume
from repoman_tasks.planning.steps import ArrangeUser, EmptyVolume, RebuildContainer, Step
from repoman_tasks.planning.text.wording import plural
from repoman_tasks.session import Session
from repoman_tasks.tools.guest import GuestHandle
from repoman_tasks.tools.guest_reset import submit_added_packages
from repoman_tasks.wizards.project_choice import ask_project

_MOST_LISTED = 40
"""Number of packages that are listed by name."""


@task(
    wizard=ask_project,
    pre=[reconcile, containers, person],
    positional=["name"],
    help={
        "name": "Name of the project (default: the one whose repo you are in).",
        "volume": "Empty its volume, too: its agents' state, shell history and kept folders.",
        "dry_run": "Show what would be lost, and change nothing.",
    },
    examples={
        "repoman reset isurus --dry-run": "Show what would be lost",
        "repoman reset isurus": "Begin anew on a fresh disk; volume and repo stay",
        "repoman reset isurus --volume": "Begin anew with nothing but the repo",
    },
    exit_codes={
        "4": "another command is working on the project",
        "6": "refused, because its repo is missing or a symlink",
        "130": "interrupted, or a prompt was answered with no",
    },
)
def reset(
    session: Session, name: str | None = None, volume: bool = False, dry_run: bool = False
) -> None:
    """Make a container fresh from its template or image; its volume and its repo stay.

    What was installed in it by hand is lost. What an agent left on the volume stays, unless
    --volume is given.
    """
    facts = session.of(reconcile)
    project, _ = resolve_project(facts, name, session.host.folder, "reset")
    container = require_container(facts, session.of(containers), project)
    check_startable(facts, project)
    spec, runner = spec_of(facts, project), step_runner(session)
    if volume and not has_volume(container.devices):
        cure = f"leave out --volume, or run `repoman update {quoted(project.name)}` first"
        raise UsageError(f"{project.name} has no volume", cure)
    source = image_source(session, project)
    steps: list[Step] = [*source.steps, RebuildContainer(project.name, spec, source.origin)]
    steps += [EmptyVolume(project.name)] if volume else []
    steps.append(ArrangeUser(project.name, runner.person.name, repo_path(facts, project)))
    runner.check_rebuildable(project.name)
    _tell_lost(session, container, spec.image, volume=volume)
    lock = partial(lock_container, session, project.name)
    plan = Plan(steps, runner=runner)
    apply_plan(session, plan, dry_run=dry_run, default=False, on_confirm=lock)


def _tell_lost(session: Session, container: Container, image: str, *, volume: bool) -> None:
    """Print what a reset to `image` loses, and what it keeps."""
    note, name = session.screen.note, container.name
    added = None
    if container.running:
        handle = GuestHandle(session.of(incus), name, session.of(person))
        added = submit_added_packages(handle).result()
    if added:
        more = ", …" if len(added) > _MOST_LISTED else ""
        named = ", ".join(added[:_MOST_LISTED]) + more
        note(f"lost: {plural(len(added), 'package')} installed by hand: {named}")
    elif added is None:
        why = "nobody noted what it began with" if container.running else "it does not run"
        note(f"lost: packages installed by hand, which can't be listed, as {why}")
    what = "all" if added == [] else "all else"  # other than the packages
    note(f"lost: {what} on its own disk, such as what npm or pip installed")
    if (before := container.config.get(IMAGE_TAG, "")) != image:
        note(f"its image was {before or 'unknown'}, and becomes {image}")
    if not volume and has_volume(container.devices):
        note("kept: its repo, and its volume with what agents left there: --volume empties that")

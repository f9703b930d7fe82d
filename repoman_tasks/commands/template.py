"""`template`: what containers have from the start, built into images of this host."""

from __future__ import annotations

from collections.abc import Sequence

from repoman_tasks.actions.apply import Plan, apply_plan
from repoman_tasks.actions.container_plans import step_runner
from repoman_tasks.actions.facts import incus, stored_registry
from repoman_tasks.actions.project_container import check_incus_project
from repoman_tasks.actions.template_build import build_log
from repoman_tasks.actions.template_images import built_images, plan_builds
from repoman_tasks.cli.task import task
from repoman_tasks.errors import UsageError, quoted
from repoman_tasks.model import Registry
from repoman_tasks.planning.container.template_plan import (
    BuiltImage,
    check_template_action,
    describe_recipe,
    removal_steps,
)
from repoman_tasks.planning.container.templates import (
    Recipe,
    base_image,
    find_template,
    is_empty,
    template_names,
    template_recipe,
)
from repoman_tasks.planning.steps import Step
from repoman_tasks.planning.text.layout import Column
from repoman_tasks.planning.text.wording import format_age, format_size
from repoman_tasks.session import Session


@task(
    pre=[stored_registry],
    positional=["action", "name"],
    greedy=True,
    help={
        "action": "What to do: list, show, build or remove (default: list).",
        "name": "Name of the template.",
        "anew": "Build it even if nothing has changed, for newer packages and agents.",
        "dry_run": "Show what would change, and change nothing.",
        "json": "Print the list as JSON.",
    },
    examples={
        "repoman template": "List the templates, and when their images were built",
        "repoman template show agent": "Show what a template puts into its image",
        "repoman template build agent --anew": "Build its image anew, with the newest packages",
        "repoman template remove agent": "Delete its images; containers keep what they have",
    },
    exit_codes={
        "4": "another command builds the same image",
        "130": "interrupted, or a prompt was answered with no",
    },
)
def template(
    session: Session,
    action: str | None = None,
    name: str | None = None,
    anew: bool = False,
    dry_run: bool = False,
    json: bool = False,
) -> None:
    """List, show, build or remove templates: what containers have from the start.

    A template is a table of the registry, or built in. Its image is built by the first command that
    needs it, in a container of its own, and containers are made from that in a moment. If a step of
    a build fails or is interrupted, only its log is left.
    """
    check_template_action(action or "list", name, json=json, anew=anew)
    registry = session.of(stored_registry)
    if name is None:
        _list(session, registry, as_json=json)
        return
    recipe = template_recipe(registry, name, registry.defaults.default_image)
    if action == "show":
        _show(session, registry, recipe)
        return
    images = [image for image in session.of(built_images) if image.template == name]
    images = [image for image in images if not image.owner]
    if action == "remove":
        steps = removal_steps(images)
    else:
        check_incus_project(session.of(incus))
        steps = _build_steps(session, recipe, images, anew=anew)
    apply_plan(session, Plan(steps, runner=step_runner(session)), dry_run=dry_run)


def _build_steps(
    session: Session, recipe: Recipe, images: Sequence[BuiltImage], *, anew: bool
) -> list[Step]:
    """Return the builds of a template on the image of each project that has it."""
    registry, name = session.of(stored_registry), recipe.template
    if is_empty(recipe):
        raise UsageError(
            f"the template {name} adds nothing to its image, there is nothing to build",
            f"give it `packages` or `run` in [templates.{name}]",
        )
    users = [project for project in registry.projects if project.template == name]
    bases = dict.fromkeys(template_recipe(registry, name, base_image(p, registry)) for p in users)
    return [
        step
        for one in bases or [recipe]
        for step in plan_builds(session, [one], images, new=True, anew=anew)
    ]


def _list(session: Session, registry: Registry, *, as_json: bool) -> None:
    """Print the templates, each with its newest image."""
    images, now = session.of(built_images), session.now()
    rows = []
    for name in template_names(registry):
        recipe = template_recipe(registry, name, registry.defaults.default_image)
        users = [project.name for project in registry.projects if project.template == name]
        built = [i for i in images if i.template == name and not i.owner]
        rows.append((recipe, max(built, key=lambda image: image.created, default=None), users))
    if as_json:
        session.screen.json({"schema": 1, "templates": [_as_json(*row) for row in rows]})
        return
    columns = (
        Column("NAME"),
        Column("IMAGE", min_width=14, drop_order=1),
        Column("ADDS", min_width=14, drop_order=2),
        Column("BUILT"),
        Column("SIZE", drop_order=3),
        Column("USED BY", min_width=14, drop_order=4),
    )
    lines = [
        (
            recipe.template,
            recipe.base,
            describe_recipe(recipe),
            format_age(image.created, now) if image else "",
            format_size(image.size) if image else "",
            ", ".join(users),
        )
        for recipe, image, users in rows
    ]
    session.screen.table(columns, lines)


def _as_json(recipe: Recipe, image: BuiltImage | None, users: list[str]) -> dict[str, object]:
    return {
        "name": recipe.template,
        "image": recipe.base,
        "files": list(recipe.files),
        "packages": list(recipe.packages),
        "run": list(recipe.run),
        "agents": list(recipe.agents),
        "run_user": list(recipe.run_user),
        "built": image.created if image else None,
        "fingerprint": image.fingerprint if image else None,
        "bytes": image.size if image else None,
        "projects": users,
    }


def _show(session: Session, registry: Registry, recipe: Recipe) -> None:
    """Print what a template puts into its image, in the order of a build."""
    screen, own = session.screen, find_template(registry, recipe.template)
    screen.line(f"image: {recipe.base}" + ("" if own.image else ", or that of the project"))
    for key in ("files", "packages", "run", "agents", "run_user"):
        for one in getattr(recipe, key):
            screen.line(f"{key}: {one}")
    log = build_log(session, recipe)
    if session.host.read(["test", "-f", log]).code == 0:
        screen.note(f"log of the last build: {log}")
    if not is_empty(recipe):
        screen.note(f"Next: repoman template build {quoted(recipe.template)}")

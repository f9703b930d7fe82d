"""The images of templates: which ones exist, and where the container of a project comes from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from repoman_tasks.actions.facts import incus, reconcile, stored_registry
from repoman_tasks.cli.task import task
from repoman_tasks.errors import Failed
from repoman_tasks.hosts.base import Future
from repoman_tasks.late_dataclass import dataclass
from repoman_tasks.model import Project
from repoman_tasks.planning.container.template_plan import (
    BuiltImage,
    abandoned_images,
    is_current,
    parse_images,
    removal_steps,
)
from repoman_tasks.planning.container.templates import Recipe, image_name, image_owner, recipes
from repoman_tasks.planning.steps import BuildImage, Step
from repoman_tasks.session import Session
from repoman_tasks.tools.images import image_origin
from repoman_tasks.tools.incus import Incus
from repoman_tasks.tools.template_files import digest_of_files

__all__ = [
    "ImageSource",
    "abandoned_image_steps",
    "built_images",
    "find_image",
    "image_source",
    "owned_image_steps",
    "plan_builds",
    "submit_built_images",
    "templates_folder",
]


@dataclass(frozen=True)
class ImageSource:
    """Origin of a container."""

    steps: Sequence[Step]
    """The builds that come first."""
    origin: Mapping[str, Any]
    """Source of the image in Incus's API."""
    fingerprint: str = ""
    """That of the image; empty if it is to be built or downloaded."""


def templates_folder(session: Session) -> str:
    """Return the folder that holds the files of templates."""
    return f"{session.store.folder}/templates"


def submit_built_images(there: Incus) -> Future[list[BuiltImage]]:
    """Ask for the images that were built for templates of the Incus project."""
    answer = there.submit(there.at("images"), recursion=1)
    return answer.then(lambda images: parse_images(images, there.project))


@task()
def built_images(session: Session) -> Future[list[BuiltImage]]:
    """Find the images that were built for templates."""
    return submit_built_images(session.of(incus))


def find_image(images: Sequence[BuiltImage], name: str) -> BuiltImage | None:
    """Return the one of `images` with that name; None if there is none."""
    return next((image for image in images if name in image.names), None)


def image_source(session: Session, project: Project) -> ImageSource:
    """Return where the container of `project` comes from, and what is to be built before."""
    there, registry = session.of(incus), session.of(reconcile).registry
    needed = list(recipes(project, registry))
    if not needed:
        origin = image_origin(there, image_name(project, registry))
        return ImageSource([], origin, str(origin.get("fingerprint", "")))
    images = submit_built_images(there).result()
    steps = plan_builds(session, needed, images)
    name = needed[-1].image
    built = None if steps else find_image(images, name)
    origin = {"type": "image", "alias": name}
    return ImageSource(steps, origin, built.fingerprint if built else "")


def plan_builds(
    session: Session,
    needed: Sequence[Recipe],
    images: Sequence[BuiltImage],
    *,
    new: bool = False,
    anew: bool = False,
) -> list[Step]:
    """Return the builds of those of `needed` whose image is missing or has other files.

    Each recipe is on the one before. If `new`, an image is also built if the one it is built on is
    another one by now, or may be: only a download finds that out. If `anew`, all are built.
    """
    steps: list[Step] = []
    below = ""
    for recipe in needed:
        contents = digest_of_files(session.host, templates_folder(session), recipe.files)
        built = find_image(images, recipe.image)
        origin: Mapping[str, Any] = {"type": "image", "alias": below}
        if below:
            base = find_image(images, below)
            current = not steps and is_current(built, contents, base.fingerprint if base else "")
        else:
            look = new or not is_current(built, contents, "")
            origin = image_origin(session.of(incus), recipe.base) if look else {}
            fingerprint = str(origin.get("fingerprint", ""))
            current = is_current(built, contents, fingerprint) and (bool(fingerprint) or not new)
        if anew or not current:
            steps.append(BuildImage(recipe.image, recipe, origin, contents, anew))
        below = recipe.image
    return steps


def owned_image_steps(session: Session, project: Project) -> list[Step]:
    """Return the steps that delete what was built for `project` alone, needed by now or not."""
    owner = image_owner(project)
    images = _find_images(session) if project.container else []
    return removal_steps(image for image in images if image.owner == owner)


def abandoned_image_steps(session: Session, name: str) -> list[Step]:
    """Return the steps that delete what a `new` of a project called `name` left."""
    registry = session.of(stored_registry)
    return removal_steps(abandoned_images(_find_images(session), name, registry))


def _find_images(session: Session) -> list[BuiltImage]:
    """Return the images that were built; none if Incus can't say."""
    try:
        return submit_built_images(session.of(incus)).result()
    except Failed:  # the command says so itself, if it needs Incus
        return []

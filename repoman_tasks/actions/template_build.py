"""Builds the image of a template in a container of its own, which is deleted afterwards.

The container has the profiles of all others, so it is inside the same fence, but no repo and no
volume. It may be hostile: what it prints is limited, and goes into a log only.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from repoman_tasks.actions.facts import incus, person, stored_registry
from repoman_tasks.actions.template_images import (
    find_image,
    submit_built_images,
    templates_folder,
)
from repoman_tasks.errors import Busy, Failed, RepomanError
from repoman_tasks.hosts.base import Locked
from repoman_tasks.hosts.signals import defer_signals
from repoman_tasks.planning.container.spec import (
    BUILD_TAG,
    MAKING_TAG,
    NETWORK_DEVICE,
    SHARE_PROFILE,
)
from repoman_tasks.planning.container.template_plan import (
    BASE_KEY,
    TOOLS,
    abandoned_images,
    build_steps,
    image_properties,
    is_current,
    needs_tools,
    replaced_images,
)
from repoman_tasks.planning.container.templates import Recipe
from repoman_tasks.planning.steps import BuildImage
from repoman_tasks.registry.names_file import state_folder
from repoman_tasks.session import Session
from repoman_tasks.tools.guest import GuestHandle, set_up_user, wait_until_up
from repoman_tasks.tools.guest_build import find_programs, run_logged, tidy
from repoman_tasks.tools.incus import Incus
from repoman_tasks.tools.template_files import copy_template_files

__all__ = ["build_image", "build_log"]

_CURE_OFFLINE = (
    "; without a way to the internet, set http_proxy in `env` of [defaults], name a mirror of the "
    "packages in `files`, or bring the files themselves"
)


def build_log(session: Session, recipe: Recipe) -> str:
    """Return the path of the log of the last build of `recipe`."""
    name = f"{recipe.template}.repo" if recipe.owner else recipe.template
    return f"{state_folder(session.host)}/builds/{name}.log"


def build_image(session: Session, step: BuildImage, report: Callable[[str], None]) -> None:
    """Build an image, unless one is there that this would not change; replace older ones.

    Raise Failed with the step that failed. Nothing but the log is left then, nor after Ctrl-C.
    """
    there, name = session.of(incus), f"repoman-build-{step.name[-12:]}"
    with _locked(session, name):
        there.delete(name)  # what a command that was killed has left
        try:
            _create(session, step, name, report)
            created = there.container(name)
            built_on = created.config.get(BASE_KEY, "") if created else ""
            existing = find_image(submit_built_images(there).result(), step.name)
            if is_current(existing, step.contents, built_on or "?") and not step.anew:
                return
            handle = GuestHandle(there, name, session.of(person))
            _fill(session, step.recipe, handle, report)
            _publish(handle, step, built_on, report)
            if step.recipe.owner:
                _delete_abandoned(session, step.recipe)
        finally:
            with defer_signals():
                there.delete(name)


@contextlib.contextmanager
def _locked(session: Session, name: str) -> Iterator[None]:
    lock = session.host.lock(session.store.lock_path(name))
    try:
        with contextlib.ExitStack() as stack:
            stack.enter_context(lock)
            yield
    except Locked as error:
        raise Busy(f"another command builds the same image, {error}", "let it finish") from None


def _create(session: Session, step: BuildImage, name: str, report: Callable[[str], None]) -> None:
    """Create the container of a build, and start it."""
    there, defaults = session.of(incus), session.of(stored_registry).defaults
    there.check_memory(name)
    env = {f"environment.{key}": value for key, value in defaults.env}
    body: dict[str, Any] = {
        "name": name,
        "type": "container",
        "source": dict(step.origin),
        "config": {**env, MAKING_TAG: "build", BUILD_TAG: step.recipe.template},
        "devices": {NETWORK_DEVICE: {"type": "none"}} if step.recipe.offline else {},
        "profiles": [profile for profile in defaults.profiles if profile != SHARE_PROFILE],
        "start": True,
    }
    report(f"starting a container for {step.recipe.what}")
    there.change("POST", there.at("instances"), body, report)


def _fill(
    session: Session, recipe: Recipe, handle: GuestHandle, report: Callable[[str], None]
) -> None:
    """Put into the container what the recipe says, and write the log."""
    wait_until_up(handle, report)
    copy_template_files(handle, templates_folder(session), recipe.files)
    if recipe.run_user:
        set_up_user(handle)
    programs = find_programs(handle, TOOLS) if needs_tools(recipe) else []
    path, log = build_log(session, recipe), ""
    steps = build_steps(recipe, programs)
    for number, one in enumerate(steps, 1):
        report(f"{recipe.what}, {number} of {len(steps)}: {one.what}")
        code, said = run_logged(handle, one.argv, one.line, user=one.user)
        log += f"== {one.what}\n{said}\n"
        session.host.write_file(path, log.encode(errors="surrogateescape"), noted=False)
        if code:
            cure = f"see the log {path}" + (_CURE_OFFLINE if one.loads else "")
            raise Failed(f"{recipe.what} can't be built, this failed: {one.what}", cure)


def _publish(
    handle: GuestHandle, step: BuildImage, built_on: str, report: Callable[[str], None]
) -> None:
    """Make an image of the container, give it its name, and delete those that it replaces."""
    there, made = handle.incus, ""
    tidy(handle)
    there.set_state(handle.name, "stop", force=True)
    report(f"storing the image of {step.recipe.what}")
    body = {
        "source": {"type": "instance", "name": handle.name},
        "properties": image_properties(step.recipe, built_on, step.contents),
        "compression_algorithm": "none",
        "public": False,
    }
    try:
        done = there.change("POST", there.at("images"), body, report) or {}
        with defer_signals():
            _name_image(there, step.name, str(done.get("fingerprint", "")))
            made = str(done.get("fingerprint", ""))
    finally:
        with defer_signals(), contextlib.suppress(RepomanError):
            _delete_others(there, step.recipe, made)


def _name_image(there: Incus, name: str, fingerprint: str) -> None:
    path, body = there.at("images", "aliases", name), {"target": fingerprint, "description": ""}
    if there.get(path) is None:
        there.change("POST", there.at("images", "aliases"), {"name": name, **body})
    else:
        there.change("PUT", path, body)


def _delete_abandoned(session: Session, recipe: Recipe) -> None:
    """Delete the images that a `new` of the same project left when it was killed."""
    there, registry = session.of(incus), session.of(stored_registry)
    images = submit_built_images(there).result()
    for image in abandoned_images(images, recipe.template, registry, but=recipe.owner):
        there.change("DELETE", there.at("images", image.fingerprint))


def _delete_others(there: Incus, recipe: Recipe, made: str) -> None:
    """Delete the images that the one called `made` replaces; if empty, only those without a name.

    They are what an operation has made that could not be cancelled.
    """
    for image in replaced_images(submit_built_images(there).result(), recipe, made):
        if made or not image.names:
            there.change("DELETE", there.at("images", image.fingerprint))

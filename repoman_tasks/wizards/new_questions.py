"""Prompt for the arguments of `new`."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence, Set
from functools import partial
from typing import Any

from repoman_tasks.actions.current_folder import folder_without_project
from repoman_tasks.actions.facts import incus, reconcile, require_containers
from repoman_tasks.actions.mirror_without_project import has_mirror
from repoman_tasks.actions.project_container import check_incus_project
from repoman_tasks.cli.wizard import Wizard
from repoman_tasks.errors import RepomanError, UsageError
from repoman_tasks.model import GUARD
from repoman_tasks.planning.container.template_plan import describe_recipe
from repoman_tasks.planning.container.templates import (
    EMPTY_TEMPLATE,
    template_names,
    template_recipe,
)
from repoman_tasks.planning.estate_steps import new_project
from repoman_tasks.planning.findings import unregistered_folders
from repoman_tasks.planning.names import absolute, nearest, relative_repo
from repoman_tasks.planning.prompts import (
    IMAGE,
    NEW_NAME,
    PARTS,
    PROFILES,
    PROTECT,
    SOURCE,
    TEMPLATE,
)
from repoman_tasks.session import Session
from repoman_tasks.tools.file_tree import submit_folder_names
from repoman_tasks.tools.git_guard_files import submit_guard
from repoman_tasks.tools.images import distinct_images, image_origin, local_images
from repoman_tasks.tools.repo_config import submit_request

__all__ = ["ask_new", "check_new", "possible_names"]

_MOST_FOLDERS = 9


def ask_new(wizard: Wizard) -> None:
    """Prompt for all arguments if no name was given, else only for the origin of a missing repo."""
    whole = wizard.arguments["name"] is None
    if whole:
        _ask_name(wizard)
    _ask_source(wizard, whole)
    if whole:
        _ask_parts(wizard)
    if whole and not wizard.arguments["no_container"]:
        _ask_template(wizard)
        _ask_image(wizard)
        _ask_profiles(wizard)
        _ask_protect(wizard)


def possible_names(session: Session) -> dict[str, str]:
    """Return the folders in local_repos that could become a project, each with its menu text."""
    found = {}
    for folder in _folders_without_project(session):
        with contextlib.suppress(UsageError):
            check_new(session, folder)
            found[folder] = f"{folder} (existing folder)"
    return found


def check_new(session: Session, name: str, repo: str = "") -> None:
    """Raise UsageError if no project can be called `name` with its repo at `repo`."""
    facts, host = session.of(reconcile), session.host
    new_project(facts.registry, name, repo, facts.local_repos, host.home, session.now())


def _folders_without_project(session: Session) -> list[str]:
    """Return the first folders in local_repos that belong to no project."""
    facts = session.of(reconcile)
    folders = submit_folder_names(session.host, facts.local_repos).result()
    return unregistered_folders(folders, facts.registry)[:_MOST_FOLDERS]


def _ask_name(wizard: Wizard) -> None:
    """Take the folder that the person is in, or prompt for the name."""
    session, repo = wizard.session, wizard.arguments["repo"]
    if not any(wizard.arguments[key] for key in ("repo", "clone", "create", "restore")):
        repo = folder_without_project(session)
    name = repo.rpartition("/")[2]
    if repo and not wizard.arguments["repo"]:
        session.screen.note(f"The repo is {session.of(reconcile).local_repos}/{repo}.")
        wizard.arguments["repo"] = "" if repo == name else repo
        with contextlib.suppress(UsageError):  # else another name is asked for
            check_new(session, name, repo)
            wizard.arguments["name"] = name
            return
        wizard.arguments["repo"] = repo
    wizard.arguments["name"] = wizard.choose(
        NEW_NAME,
        options={} if repo else possible_names(session),
        free=True,
        check=lambda name: check_new(session, name, repo),
    )


# --- repo -----------------------------------------------------------------------------


def _ask_source(wizard: Wizard, whole: bool) -> None:
    """Prompt for the repo's origin, unless the repo exists or options name it."""
    session, name = wizard.session, wizard.arguments["name"]
    local_repos = session.of(reconcile).local_repos
    path = f"{local_repos}/{name}"
    if not wizard.is_open(SOURCE):
        return
    check_new(session, name)
    if session.host.real_folder(path) is not None:
        return
    if not (whole or wizard.arguments["no_container"]):  # fail before the question
        require_containers(session)
        check_incus_project(session.of(incus))
    session.screen.note(f"{path} does not exist yet.")
    folders = _folders_without_project(session)
    mirrored = not wizard.arguments["no_backup"] and has_mirror(session, name)
    options = {"restore": "bring it back from its mirror on the share"} if mirrored else {}
    options |= {"create": "create it as an empty git repo"}
    options |= {f"{local_repos}/{folder}": f"use {local_repos}/{folder}" for folder in folders}
    answer = wizard.choose(
        SOURCE,
        options=options,
        default=next(iter(options)),
        free=True,
        check=partial(_check_source, session, name),
    )
    if answer in ("create", "restore"):
        wizard.arguments[answer] = True
    elif answer.startswith(("/", "~")):
        wizard.arguments["repo"] = answer
    else:
        wizard.arguments["clone"] = answer


def _check_source(session: Session, name: str, answer: str) -> None:
    if answer.startswith(("/", "~")):
        path = absolute(answer, session.host.home)
        if session.host.real_folder(path) is None:
            raise UsageError(
                f"there is no folder {path}", "enter a folder in local_repos, or a URL"
            )
        check_new(session, name, path)
    elif answer not in ("create", "restore") and (":" not in answer or answer.startswith("-")):
        raise UsageError(f"{answer!r} is neither a URL nor an absolute path", "choose again")


# --- container and backup -------------------------------------------------------------------


def _ask_parts(wizard: Wizard) -> None:
    """Prompt for container, backup or both; skip the question if no container is possible."""
    if not wizard.is_open(PARTS, default=False):
        return
    problem = _no_containers(wizard.session)
    if problem:
        wizard.session.screen.note(f"no container: {problem}")
        wizard.arguments["no_container"] = True
        return
    parts = {
        "both": "a container and a backup on the share",
        "no_backup": "only a container",
        "no_container": "only a backup",
    }
    answer = wizard.choose(PARTS, options=parts, default="both")
    if answer in ("no_backup", "no_container"):
        wizard.arguments[answer] = True


def _no_containers(session: Session) -> str:
    """Return why no container can be created, "" if one can."""
    try:
        require_containers(session)
        check_incus_project(session.of(incus))
    except RepomanError as problem:
        return str(problem)
    return ""


def _ask_template(wizard: Wizard) -> None:
    """Prompt for the template; set the argument only if the answer is not the default."""
    registry = wizard.session.of(reconcile).registry
    usual = registry.defaults.template or EMPTY_TEMPLATE
    names = sorted(template_names(registry), key=lambda name: name != usual)
    adds = {name: describe_recipe(template_recipe(registry, name, "")) for name in names}
    options = {name: f"{name}: {text or 'nothing but the image'}" for name, text in adds.items()}
    answer = wizard.choose(TEMPLATE, options=options, default=usual)
    if answer and answer != usual:
        wizard.arguments["template"] = answer


def _ask_image(wizard: Wizard) -> None:
    """Prompt for the image; set the argument only if the answer is not the default."""
    session, arguments = wizard.session, wizard.arguments
    registry, there = session.of(reconcile).registry, session.of(incus)
    usual = _requested_image(wizard) or registry.defaults.default_image
    seen = [usual, registry.defaults.default_image, *(p.image for p in registry.projects)]
    here = local_images(there)
    answer = wizard.choose(
        IMAGE,
        options=dict.fromkeys(distinct_images([*seen, *here], here), ""),
        default=usual,
        free=True,
        check=lambda image: image_origin(there, image),
    )
    if answer and answer != usual:
        arguments["image"] = answer


def _requested_image(wizard: Wizard) -> str:
    """Return the image that the repo's .repoman.toml requests, "" if none or there is no repo."""
    session, arguments = wizard.session, wizard.arguments
    if arguments["create"] or arguments["clone"] or arguments["restore"]:
        return ""
    facts, host = session.of(reconcile), session.host
    repo = relative_repo(arguments["repo"] or arguments["name"], facts.local_repos, host.home)
    return submit_request(host, f"{facts.local_repos}/{repo}").result().requested.image


def _ask_profiles(wizard: Wizard) -> None:
    """Prompt for the profiles, separated by commas."""
    session = wizard.session
    usual = list(session.of(reconcile).registry.defaults.profiles)
    there = session.of(incus)
    profiles = there.get(there.at("profiles"), recursion=1) or []
    rooted = {str(one["name"]) for one in profiles if _has_root_disk(one)}
    names = sorted(str(one["name"]) for one in profiles)
    as_usual = ",".join(usual)
    base = next((name for name in usual if name in rooted), "")
    offered = [
        name if name in rooted else f"{base},{name}" for name in names if name in rooted or base
    ]
    answer = wizard.choose(
        PROFILES,
        options={as_usual: f"the default: {' and '.join(usual)}"}
        | {answer: "" for answer in offered if answer != as_usual},
        default=as_usual,
        free=True,
        check=lambda answer: _check_profiles(answer, as_usual, names, rooted),
    )
    if answer and answer != as_usual:
        wizard.arguments["profile"] = _split_names(answer)


def _ask_protect(wizard: Wizard) -> None:
    """Prompt for what is read-only inside, if the guard for git is installed."""
    if not submit_guard(wizard.session.host).result().present:
        return
    options = {
        "true": "what programs of this host run, git's configuration included",
        GUARD: "all but git's configuration, which your guard for git judges",
    }
    answer = wizard.choose(PROTECT, options=options, default="true")
    if answer not in ("", "true"):
        wizard.arguments["protect"] = answer


def _has_root_disk(profile: Mapping[str, Any]) -> bool:
    """Return True if a container with this profile alone has a disk to start from."""
    return any(device.get("path") == "/" for device in (profile.get("devices") or {}).values())


def _check_profiles(answer: str, usual: str, names: Sequence[str], rooted: Set[str]) -> None:
    """Raise UsageError unless all profiles exist and one has a root disk, or they are as usual."""
    chosen = _split_names(answer) if answer != usual else []
    for name in chosen:
        if name not in names:
            near = nearest(name, names)
            hint = f"did you mean {near}?" if near else "separate profiles by commas"
            raise UsageError(f"Incus has no profile {name!r}", hint)
    if chosen and rooted.isdisjoint(chosen):
        raise UsageError(f"{answer} has no root disk", f"add {' or '.join(sorted(rooted))}")


def _split_names(answer: str) -> list[str]:
    return [name for name in answer.replace(",", " ").split() if name]

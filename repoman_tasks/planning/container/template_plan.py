"""The building of a template's image: its steps, and when an image is to be built again. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import quote

from repoman_tasks.errors import UsageError, quoted
from repoman_tasks.late_dataclass import dataclass
from repoman_tasks.model import Registry
from repoman_tasks.planning.container.agents import AGENT_NAMES
from repoman_tasks.planning.container.spec import IMAGE_TAG, Container
from repoman_tasks.planning.container.templates import Recipe, image_owner, recipes
from repoman_tasks.planning.findings import Finding
from repoman_tasks.planning.names import nearest
from repoman_tasks.planning.steps import CallIncus, Step

__all__ = [
    "ACTIONS",
    "AGENT_PACKAGES",
    "BASE_KEY",
    "MANAGERS",
    "TOOLS",
    "BuildStep",
    "BuiltImage",
    "abandoned_images",
    "build_findings",
    "build_steps",
    "check_template_action",
    "describe_recipe",
    "image_properties",
    "install_line",
    "is_built",
    "is_current",
    "is_older",
    "needs_tools",
    "parse_images",
    "removal_steps",
    "replaced_images",
]

BASE_KEY = "volatile.base_image"
"""Key of a container's configuration with the fingerprint of its image."""
_PROJECT, _TEMPLATE, _OWNER = "repoman.project", "repoman.template", "repoman.owner"
_BASE, _FROM, _FILES = "repoman.base", "repoman.from", "repoman.files"
"""Properties of an image: its Incus project, template, owner, the name and the fingerprint of the
image that it was built on, and the digest of its files."""

ACTIONS = ("list", "show", "build", "remove")
"""Actions of `template`."""
MANAGERS = ("apt-get", "dnf", "apk", "pacman", "zypper")
"""The package managers, each by its program."""

TOOLS = (*MANAGERS, "npm", "pipx")
"""All programs of which `build_steps` has to know if the image has them."""

_INSTALL: Mapping[str, tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]] = {
    "apt-get": (
        ("apt-get", "-q", "update"),
        ("apt-get", "-q", "install", "--yes", "--no-install-recommends", "--"),
        ("apt-get", "clean"),
    ),
    "dnf": ((), ("dnf", "install", "--assumeyes", "--"), ("dnf", "clean", "all")),
    "apk": ((), ("apk", "add", "--no-cache", "--"), ()),
    "pacman": (
        ("pacman", "-Syu", "--noconfirm"),
        ("pacman", "-S", "--noconfirm", "--needed", "--"),
        # To clear the cache, pacman asks a question that --noconfirm answers with no.
        ("find", "/var/cache/pacman/pkg", "-type", "f", "-delete"),
    ),
    "zypper": (
        ("zypper", "--non-interactive", "refresh"),
        ("zypper", "--non-interactive", "install", "--no-recommends", "--"),
        ("zypper", "clean", "--all"),
    ),
}
"""Commands of each manager before the installation, for it, and afterwards."""

_NAMES: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "build-tools": {
        "apt-get": ("build-essential",),
        "dnf": ("gcc", "gcc-c++", "make"),
        "apk": ("build-base",),
        "pacman": ("base-devel",),
        "zypper": ("gcc", "gcc-c++", "make"),
    },
    "node": {"zypper": ("nodejs-default", "npm-default"), "": ("nodejs", "npm")},
    "pipx": {"pacman": ("python-pipx",), "zypper": ("python3-pipx",)},
}
"""The packages that a name stands for, where a manager has others of it."""


class AgentPackage(NamedTuple):
    """The package of an agent."""

    tool: str
    """Program that installs it: npm or pipx."""
    name: str


AGENT_PACKAGES: Mapping[str, AgentPackage] = {
    "claude": AgentPackage("npm", "@anthropic-ai/claude-code"),
    "codex": AgentPackage("npm", "@openai/codex"),
    "gemini": AgentPackage("npm", "@google/gemini-cli"),
    "opencode": AgentPackage("npm", "opencode-ai"),
    "aider": AgentPackage("pipx", "aider-chat"),
}
"""The packages of all AGENTS."""
_TOOL_PACKAGES = {"npm": "node", "pipx": "pipx"}
assert set(AGENT_PACKAGES) == set(AGENT_NAMES)


@dataclass(frozen=True)
class BuildStep:
    """One program to run in the container that becomes an image."""

    what: str
    argv: tuple[str, ...] = ()
    line: str = ""
    """Line of sh, in place of `argv`."""
    user: bool = False
    """True if the user runs it, else root."""
    loads: bool = False
    """True if it needs what is on the internet."""


def check_template_action(
    action: str, name: str | None, *, json: bool = False, anew: bool = False
) -> None:
    """Raise UsageError if `template` has no such `action`, or not with these arguments."""
    if action not in ACTIONS:
        near = nearest(action, ACTIONS)
        hint = f"did you mean {near}?" if near else "run `repoman template list`, show or build"
        raise UsageError(f"template has no action {action!r}", hint)
    if action == "list" and name is not None:
        raise UsageError("list takes no name", f"run `repoman template show {quoted(name)}`")
    if action != "list" and name is None:
        raise UsageError(f"template {action} needs a name", "see `repoman template list`")
    if action != "list" and json:
        raise UsageError("--json needs list", "run `repoman template list --json`")
    if action != "build" and anew:
        raise UsageError("--anew needs build", "run `repoman template build NAME --anew`")


def needs_tools(recipe: Recipe) -> bool:
    """Return True if the steps of `recipe` depend on the programs that the image has."""
    return bool(recipe.packages or recipe.agents)


def build_steps(recipe: Recipe, programs: Iterable[str]) -> list[BuildStep]:
    """Return the steps that build `recipe` once its files are there.

    `programs` are those of TOOLS that the image has. Raise UsageError if there are
    packages, but no manager.
    """
    steps, programs = [], list(programs)
    tools = dict.fromkeys(AGENT_PACKAGES[_agent(text)[0]].tool for text in recipe.agents)
    missing = [_TOOL_PACKAGES[tool] for tool in tools if tool not in programs]
    packages = tuple(dict.fromkeys((*recipe.packages, *missing)))
    if packages:
        steps += _package_steps(packages, programs)
    steps += [BuildStep(f"run {_short(line)}", line=line) for line in recipe.run]
    for text in recipe.agents:
        steps.append(BuildStep(f"install the agent {text}", _agent_argv(*_agent(text)), loads=True))
    return steps + [
        BuildStep(f"run as the user {_short(line)}", line=line, user=True)
        for line in recipe.run_user
    ]


def _package_steps(packages: Sequence[str], programs: Sequence[str]) -> list[BuildStep]:
    manager = next((program for program in MANAGERS if program in programs), "")
    if not manager:
        raise UsageError(
            f"the image has none of the package managers {', '.join(MANAGERS)}",
            "leave out `packages`, or choose another image",
        )
    refresh, install, clean = _INSTALL[manager]
    names: list[str] = []
    for name in packages:
        known = _NAMES.get(name, {})
        names += known.get(manager) or known.get("") or (name,)
    steps = [BuildStep("refresh the lists of packages", refresh, loads=True)] if refresh else []
    what = f"install {', '.join(dict.fromkeys(names))}"
    steps.append(BuildStep(what, (*install, *dict.fromkeys(names)), loads=True))
    return [*steps, BuildStep("remove what was downloaded", clean)] if clean else steps


def _agent(text: str) -> tuple[str, str]:
    name, _, version = text.partition("@")
    return name, version


def _agent_argv(name: str, version: str) -> tuple[str, ...]:
    tool, package = AGENT_PACKAGES[name]
    if tool == "npm":
        options = ("--global", "--no-fund", "--no-audit")
        return ("npm", "install", *options, f"{package}@{version or 'latest'}")
    # pipx has --global from version 1.5 on only.
    folders = ("PIPX_HOME=/opt/pipx", "PIPX_BIN_DIR=/usr/local/bin")
    return ("env", *folders, "pipx", "install", package + (f"=={version}" if version else ""))


def _short(line: str) -> str:
    """Return a line of sh for a message, its first 60 characters."""
    first = line.strip().split("\n")[0].replace("`", "'")
    return first if len(first) <= 60 else f"{first[:59]}…"


def install_line(programs: Iterable[str], *, package: str = "", agent: str = "") -> str:
    """Return the line of sh by which root installs a package or an agent in a container.

    `programs` are those of TOOLS that it has. Return an empty string if they can't.
    """
    packages, agents = tuple(filter(None, (package,))), tuple(filter(None, (agent,)))
    recipe = Recipe("", "", "", packages=packages, agents=agents)
    try:
        return " && ".join(quoted(*step.argv) for step in build_steps(recipe, programs))
    except UsageError:
        return ""


def describe_recipe(recipe: Recipe) -> str:
    """Return what is put into the image, in a line."""
    counted = (
        (len(recipe.files), "file or folder", "files or folders"),
        (len(recipe.packages), "package", "packages"),
        (len(recipe.run) + len(recipe.run_user), "command", "commands"),
    )
    parts = [f"{count} {one if count == 1 else many}" for count, one, many in counted if count]
    return ", ".join([*parts, *recipe.agents])


# --- images that were built -------------------------------------------------------------


@dataclass(frozen=True)
class BuiltImage:
    """Image that was built here, as Incus has it."""

    fingerprint: str
    names: tuple[str, ...]
    template: str
    owner: str
    base: str
    """Name of the image that it was built on."""
    built_on: str
    """Fingerprint of that image."""
    files: str
    """Digest of the files in it."""
    created: str
    """When it was built (UTC)."""
    size: int


def image_properties(recipe: Recipe, built_on: str, files: str) -> dict[str, str]:
    """Return the properties of the image that was built by `recipe`."""
    own = {_PROJECT: recipe.incus_project, _TEMPLATE: recipe.template, _OWNER: recipe.owner}
    more = {_BASE: recipe.base, _FROM: built_on, _FILES: files}
    return {**own, **more, "description": f"{recipe.what}, by repoman"}


def is_built(image: Mapping[str, Any]) -> bool:
    """Return True if one of Incus's images was built for a template."""
    return _PROJECT in (image.get("properties") or {})


def parse_images(images: Any, incus_project: str) -> list[BuiltImage]:
    """Return those of Incus's `images` that were built for the Incus project."""
    found = []
    for image in images or []:
        properties = image.get("properties") or {}
        if properties.get(_PROJECT) != incus_project:
            continue
        names = tuple(str(alias.get("name")) for alias in image.get("aliases") or [])
        keys = (_TEMPLATE, _OWNER, _BASE, _FROM, _FILES)
        template, owner, base, built_on, files = (str(properties.get(key, "")) for key in keys)
        found.append(
            BuiltImage(
                *(str(image.get("fingerprint")), names, template, owner, base, built_on, files),
                str(image.get("created_at", "")),
                int(image.get("size") or 0),
            )
        )
    return found


def is_current(image: BuiltImage | None, files: str, base: str) -> bool:
    """Return True if `image` has files of this digest, and was built on the image `base`.

    `base` is a fingerprint, or empty if only a build can find it out.
    """
    return image is not None and image.files == files and base in ("", image.built_on)


def replaced_images(
    images: Sequence[BuiltImage], recipe: Recipe, fingerprint: str
) -> list[BuiltImage]:
    """Return those of `images` that the new one called `fingerprint` replaces."""
    key = (recipe.template, recipe.owner, recipe.base)
    return [
        image
        for image in images
        if image.fingerprint != fingerprint
        and (
            (image.owner and image.owner == recipe.owner)
            or (image.template, image.owner, image.base) == key
        )
    ]


def abandoned_images(
    images: Iterable[BuiltImage], name: str, registry: Registry, *, but: str = ""
) -> list[BuiltImage]:
    """Return those of `images` that a `new` of a project called `name` left when it was killed.

    They are of a project that was never registered. `but` is the owner of one that is in use.
    """
    owners = {but, *map(image_owner, registry.projects)}
    return [
        image
        for image in images
        if image.owner and image.template == name and image.owner not in owners
    ]


def removal_steps(images: Iterable[BuiltImage]) -> list[Step]:
    """Return the steps that delete `images`."""
    return [
        CallIncus(
            f"delete the image of {image.template}, built at {image.created[:16]}",
            "DELETE",
            f"/1.0/images/{quote(image.fingerprint, safe='')}?project=default",
            {},
        )
        for image in images
    ]


def build_findings(
    registry: Registry,
    names: Iterable[str],
    containers: Mapping[str, Container],
    images: Iterable[BuiltImage],
) -> list[Finding]:
    """Return a note for each of the projects `names` whose container is of an older build."""
    newest = {name: image.fingerprint for image in images for name in image.names}
    found = []
    for name in names:
        project, container = registry.project(name), containers.get(name)
        if project is None or container is None or container.half_made:
            continue
        last = next(reversed([*recipes(project, registry)]), None)
        if last and is_older(container, last.image, newest.get(last.image, "")):
            what = f"its container comes from an older build of {last.what}"
            cure = f"run `repoman update {quoted(name)} --rebuild`"
            lost = "which recreates its disk: installed packages are lost"
            found.append(Finding(name, what, f"{cure}, {lost}", problem=False, kind="build"))
    return found


def is_older(container: Container, image: str, fingerprint: str) -> bool:
    """Return True if `container` is from an older build of `image` than that of `fingerprint`."""
    same = container.config.get(IMAGE_TAG) == image
    return same and bool(fingerprint) and container.config.get(BASE_KEY) != fingerprint

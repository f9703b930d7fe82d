"""Templates: which image a container starts from, and what is built into it. Pure.

A template is built once into an image of this host, and containers are made from that. What a
repo's .repoman.toml adds is built on top, into an image of that project alone. The name of an image
holds a digest of its recipe, so another recipe has another name.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import fields, replace
from hashlib import sha256

from repoman_tasks.errors import Refused, UsageError
from repoman_tasks.late_dataclass import dataclass
from repoman_tasks.model import Project, Registry, Template
from repoman_tasks.planning.container.agents import AGENT_NAMES
from repoman_tasks.planning.names import nearest

__all__ = [
    "BUILT_IN",
    "EMPTY_TEMPLATE",
    "IMAGE_PREFIX",
    "Recipe",
    "base_image",
    "check_no_built_image",
    "find_template",
    "has_recipe",
    "image_name",
    "image_owner",
    "installed_agent_fault",
    "is_empty",
    "is_template",
    "package_fault",
    "recipes",
    "template_file_fault",
    "template_name_fault",
    "template_names",
    "template_recipe",
    "templates_fault",
]

IMAGE_PREFIX = "repoman-template-"
"""Prefix of the names of all images that are built here; nobody may request one by its name."""

EMPTY_TEMPLATE = "minimal"
"""Name of the built-in template that adds nothing."""

BUILT_IN: Mapping[str, Template] = {
    EMPTY_TEMPLATE: Template(EMPTY_TEMPLATE),
    "agent": Template(
        "agent",
        packages=(
            *("git", "ripgrep", "tmux", "less", "curl", "ca-certificates"),
            *("build-tools", "node", "pipx"),
        ),
    ),
}
"""The templates that exist without a registry; a `[templates.NAME]` replaces single keys of one."""

_LISTS = ("files", "packages", "run", "agents", "run_user")
_NAME = re.compile(r"[a-z](?:[a-z0-9-]{0,30}[a-z0-9])?")
_PACKAGE = re.compile(r"[A-Za-z0-9@][A-Za-z0-9@+._:=~/-]*")
_AGENT = re.compile(r"([a-z]+)(?:@([A-Za-z0-9][A-Za-z0-9.+_-]*))?")


@dataclass(frozen=True)
class Recipe:
    """Recipe of one image."""

    template: str
    """Name of the template; for what a repo adds, that of the project."""
    owner: str
    """Identity of the project, if it is what a repo adds; else empty."""
    base: str
    """Image to begin with: one for `image_origin`, or the name of a built one."""
    files: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    run: tuple[str, ...] = ()
    agents: tuple[str, ...] = ()
    run_user: tuple[str, ...] = ()
    offline: bool = False
    """If true, nothing can be reached while it is built."""
    incus_project: str = ""

    @property
    def image(self) -> str:
        """Return the name of the image, which no other recipe has."""
        same = replace(self, template="") if self.owner else self  # also after a rename
        parts = [f"{field.name}={getattr(same, field.name)!r}" for field in fields(Recipe)]
        whose = f"for-{self.owner}" if self.owner else self.template
        return f"{IMAGE_PREFIX}{whose}-{sha256(chr(0).join(parts).encode()).hexdigest()[:12]}"

    @property
    def what(self) -> str:
        """Return what it is the image of, as a phrase."""
        return f"what {self.template} adds" if self.owner else f"the template {self.template}"


# --- faults -----------------------------------------------------------------------------


def template_name_fault(name: str) -> str:
    """Return why a template can't be called `name`, or an empty string if it can."""
    if _NAME.fullmatch(name):
        return ""
    return f"{name!r} is not a valid name of a template: use up to 32 of a-z, 0-9 and -"


def package_fault(package: str) -> str:
    """Return why `package` is not a valid name of a package, or an empty string if it is."""
    return "" if _PACKAGE.fullmatch(package) else f"{package!r} is not a valid name of a package"


def installed_agent_fault(agent: str) -> str:
    """Return why `agent` is not NAME or NAME@VERSION of an agent, or an empty string if it is."""
    found = _AGENT.fullmatch(agent)
    if found and found[1] in AGENT_NAMES:
        return ""
    return f"no agent is called {agent!r}, known ones: {', '.join(AGENT_NAMES)}"


def template_file_fault(text: str) -> str:
    """Return why `text` is not a valid value of `files`, or an empty string if it is."""
    source, _, path = text.partition(":")
    plain = posixpath.normpath(source)
    inner = source == plain and not re.match(r"/|-|\.\.?(/|$)", plain)
    if inner and path.startswith("/") and path == posixpath.normpath(path) != "/":
        return ""
    return f"{text!r} must be SOURCE:PATH, SOURCE below the folder of templates and PATH absolute"


def templates_fault(registry: Registry) -> tuple[str, str, str, int, str] | None:
    """Return the first use of a template that does not exist; None if there is none.

    It is the fault and its cure, then the table, its index and the key.
    """
    if not (registry.templates or registry.defaults.template or _named(registry)):
        return None
    for template in registry.templates:
        table = f"templates.{template.name}"
        try:
            _chain(registry, template.name)
        except UsageError as error:
            return error.what, error.cure, table, 0, "extends"
    uses = [("defaults", 0, registry.defaults.template), *_named(registry)]
    for table, index, name in uses:
        if name and not is_template(registry, name):
            unknown = _unknown(registry, name)
            return unknown.what, unknown.cure, table, index, "template"
    return None


def _named(registry: Registry) -> list[tuple[str, int, str]]:
    return [("project", n, p.template) for n, p in enumerate(registry.projects) if p.template]


def _unknown(registry: Registry, name: str) -> UsageError:
    known = template_names(registry)
    near = nearest(name, known)
    cure = f"did you mean {near!r}?" if near else f"known templates: {', '.join(known)}"
    return UsageError(f"there is no template {name!r}", cure)


def check_no_built_image(image: str) -> None:
    """Raise Refused if `image` names one that is built here: another project's may hold secrets."""
    if image.rpartition(":")[2].startswith(IMAGE_PREFIX):
        raise Refused(
            f"the image {image} was built for a template",
            "name the template in place of the image",
        )


# --- templates --------------------------------------------------------------------------


def template_names(registry: Registry) -> list[str]:
    """Return the names of all templates, sorted."""
    return sorted({*BUILT_IN, *(template.name for template in registry.templates)})


def is_template(registry: Registry, name: str) -> bool:
    """Return True if there is a template called `name`."""
    return name in BUILT_IN or any(template.name == name for template in registry.templates)


def find_template(registry: Registry, name: str) -> Template:
    """Return the template `name` with all that it extends. Raise UsageError if there is none."""
    whole = Template(name)
    for template in reversed(_chain(registry, name)):
        lists = {key: getattr(whole, key) + getattr(template, key) for key in _LISTS}
        unique = {key: tuple(dict.fromkeys(lists[key])) for key in ("packages", "agents")}
        whole = replace(whole, **(lists | unique), image=template.image or whole.image)
    return whole


def _chain(registry: Registry, name: str) -> list[Template]:
    """Return the template `name`, the one that it extends, and so on."""
    chain: list[Template] = []
    while name:
        if any(template.name == name for template in chain):
            raise UsageError(f"the template {name} extends itself", "leave out one `extends`")
        chain.append(_own(registry, name))
        name = chain[-1].extends
    return chain


def _own(registry: Registry, name: str) -> Template:
    """Return the keys of one template: those of the registry, else the built-in ones."""
    given = next((template for template in registry.templates if template.name == name), None)
    built_in = BUILT_IN.get(name)
    if given is None and built_in is None:
        raise _unknown(registry, name)
    if built_in and name == "agent":
        built_in = replace(built_in, agents=registry.defaults.agents)
    if given is None or built_in is None:
        return given or built_in or Template(name)
    changed = {
        key.name: getattr(given, key.name)
        for key in fields(Template)
        if getattr(given, key.name) != key.default
    }
    return replace(built_in, **changed)


# --- recipes ----------------------------------------------------------------------------


def base_image(project: Project, registry: Registry) -> str:
    """Return the image that the container of `project` starts from, without any template."""
    return project.requested_image or project.image or registry.defaults.default_image


def image_name(project: Project, registry: Registry) -> str:
    """Return the name of the image of the project's container."""
    name = base_image(project, registry)
    if project.template:
        name = find_template(registry, project.template).image or name
    for recipe in recipes(project, registry):
        name = recipe.image
    return name


def has_recipe(project: Project) -> bool:
    """Return True if an image may have to be built for `project`."""
    requested = project.requested_packages or project.requested_run or project.requested_run_user
    return bool(project.template or requested)


def recipes(project: Project, registry: Registry) -> Iterator[Recipe]:
    """Yield the recipes of the images that the project's container needs, each on the one before.

    There are two at most: that of its template, and of what its repo adds.
    """
    base = base_image(project, registry)
    if project.template:
        recipe = template_recipe(registry, project.template, base)
        base = recipe.base
        if not is_empty(recipe):
            base = recipe.image
            yield recipe
    network = project.network or registry.defaults.network
    added = Recipe(
        project.name,
        image_owner(project),
        base,
        packages=project.requested_packages,
        run=project.requested_run,
        run_user=project.requested_run_user,
        offline=network == "none" or network != registry.defaults.network,
        incus_project=registry.defaults.incus_project,
    )
    if not is_empty(added):
        yield added


def image_owner(project: Project) -> str:
    """Return the identity of a project, by which the images of what its repo adds are its own."""
    return sha256((project.created or project.name).encode()).hexdigest()[:12]


def template_recipe(registry: Registry, name: str, base: str) -> Recipe:
    """Return the recipe of the template `name` on the image `base`, unless it has one itself."""
    template = find_template(registry, name)
    lists = {key: getattr(template, key) for key in _LISTS}
    incus_project = registry.defaults.incus_project
    return Recipe(name, "", template.image or base, **lists, incus_project=incus_project)


def is_empty(recipe: Recipe) -> bool:
    """Return True if nothing is put into the image."""
    return not any(getattr(recipe, key) for key in _LISTS)

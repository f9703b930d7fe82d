"""The file of names that the shells complete from: one `kind<TAB>name` per line."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from repoman_tasks.hosts.base import Host
from repoman_tasks.model import Defaults, Registry
from repoman_tasks.planning.container.agents import all_agents
from repoman_tasks.planning.container.templates import template_names

__all__ = ["lines_of", "names_file", "refresh_names", "state_folder"]


def state_folder(host: Host) -> str:
    """Return the folder of repoman's state on `host`."""
    base = host.environ.get("XDG_STATE_HOME", "")
    return f"{base if base.startswith('/') else f'{host.home}/.local/state'}/repoman"


def names_file(host: Host, source: str) -> str:
    """Return the path of the file of names that come from `source`, such as a registry's path.

    Each registry has a file, so names of one are never offered for another.
    """
    return f"{state_folder(host)}/names/{source.replace('/', '%')}"


def refresh_names(host: Host, path: str, registry: Registry) -> None:
    """Refresh the names of the registry at `path`, if `host` is the local one. Never fails."""
    defaults = registry.defaults
    repos = defaults.local_repos
    tables = (defaults, Defaults(), *registry.projects)
    host.cache_file(
        names_file(host, path),
        lines_of("project", (project.name for project in registry.projects))
        + lines_of("agent", (agent.name for agent in all_agents(registry.agents)))
        + lines_of("template", template_names(registry))
        + lines_of("image", _values(tables, "image"))
        + lines_of("profile", (name for names in _values(tables, "profiles") for name in names))
        + lines_of("host", (address.name for address in registry.hosts))
        + lines_of("repos", [f"{host.home}{repos[1:]}" if repos.startswith("~/") else repos]),
    )


def _values(tables: Iterable[object], key: str) -> list[Any]:
    """Return the values of every key called `key`, or ending with it, that are set."""
    pairs = (pair for table in tables for pair in vars(table).items())
    return [value for name, value in pairs if value and (name == key or name.endswith(f"_{key}"))]


def lines_of(kind: str, names: Iterable[str]) -> bytes:
    """Return a line for each of `names` that is safe to offer: printable, and not an option."""
    safe = (n for n in dict.fromkeys(names) if n.isprintable() and n and n[0] not in "-~")
    return "".join(f"{kind}\t{name}\n" for name in safe).encode()

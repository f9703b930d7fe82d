"""Parse the registry's text into values. An error names file, line and cure."""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import Field, fields, replace
from datetime import datetime
from functools import cache, partial
from typing import Any

from repoman_tasks.errors import UsageError
from repoman_tasks.late_dataclass import dataclass
from repoman_tasks.model import (
    GUARD,
    MODES,
    SCHEMA,
    TRANSPORTS,
    Address,
    AgentEntry,
    Alerts,
    Defaults,
    Estate,
    Mirrored,
    Mount,
    Pairs,
    Project,
    Registry,
    Requested,
    Tally,
    Template,
    env_name,
    keys,
)
from repoman_tasks.planning.container.agents import AGENT_NAMES, agent_fault
from repoman_tasks.planning.container.templates import (
    installed_agent_fault,
    package_fault,
    template_file_fault,
    template_name_fault,
    templates_fault,
)
from repoman_tasks.planning.mirror.excludes import excludes_fault
from repoman_tasks.planning.names import (
    NAMES_NEVER_VALID,
    RepoFolders,
    agent_file_fault,
    check_name,
    check_repo,
    image_fault,
    keep_fault,
    mount_fault,
    nearest,
    profile_fault,
    variable_fault,
)
from repoman_tasks.planning.text.wording import format_toml
from repoman_tasks.registry.line_index import line_of
from repoman_tasks.registry.toml_text import document_of

__all__ = ["COUNTS", "LEAST", "MOST", "RENAMED", "TIMES", "parse", "parse_requested"]

_TABLES: dict[
    str,
    type[Address]
    | type[AgentEntry]
    | type[Alerts]
    | type[Defaults]
    | type[Project]
    | type[Estate]
    | type[Requested]
    | type[Template],
] = {
    "estate": Estate,
    "defaults": Defaults,
    "project": Project,
    "hosts": Address,
    "alerts": Alerts,
    "templates": Template,
    "agents": AgentEntry,
}
_SHAPES = {**_TABLES, "": Requested}
"""The tables, and as "" the top-level keys of a .repoman.toml."""
TIMES = ("created", "last_sync", "stopped_at")
"""Keys whose value is a time, ISO 8601 with a time zone."""
LEAST: dict[str, float] = {
    "jobs": 1,
    "full_every": 0,
    "verify_seconds": 0,
    "max_shrink": 0,
    "min_free_mib": 0,
    "probe_seconds": 1,
    "max_size_gib": 1,
    "max_entries": 1,
    "stall_seconds": 1,
    "sync_seconds": 0,
    "max_age_hours": 1,
    "last_files": 0,
    "last_loose": 0,
    "max_delete": 0,
    "schema": 0,
    "port": 0,
    "cpus": 0,
    "processes": 1,
}
_NO_COUNTS = 2
"""The schema from which on projects have no COUNTS, and the new names of RENAMED."""
MOST: dict[str, float] = {"jobs": 64, "max_shrink": 1, "port": 65535}
"""Upper limits, and LEAST the lower ones, by key."""


@dataclass(frozen=True)
class _Counts:
    """Counts that a project recorded of its last sync up to schema 1."""

    last_files: int | None = None
    last_loose: int = 0
    last_packs: str = ""
    last_tree: str = ""


COUNTS = tuple(_Counts.__annotations__)
"""Keys of a project up to schema 1 that are state now (`mirror_state`)."""
RENAMED = {
    f"asked_{name}": f"requested_{name}"
    for name in ("image", "profiles", "env", "mounts", "exclude")
}
"""Keys of a project up to schema 1, and their names since."""


@dataclass(frozen=True)
class _Source:
    """The text being parsed, for errors that name a line of it."""

    path: str
    text: str
    old: bool = False
    """If true, it is of schema 1 or older."""

    def error(
        self, what: str, cure: str, table: str = "", index: int = 0, key: str = ""
    ) -> UsageError:
        line = line_of(self.text, table, index, key)
        return UsageError(f"{self.path}, line {line}: {what}", cure)


def parse(text: str, path: str, environ: Mapping[str, str]) -> Registry:
    """Parse the registry's `text`. Raise UsageError with file, line and cure if it is invalid.

    A missing `[defaults]` key is taken from `environ`, else from its built-in value.
    """
    source = _Source(path, text)
    document = _document(source)
    for key in document:
        if key not in _TABLES:
            raise source.error(
                f"unknown table or key {key!r}", _did_you_mean(key, _TABLES), key=key
            )
    estate = Estate(**_table(source, document, "estate"))
    if estate.schema > SCHEMA:
        raise source.error(
            f"the file has schema {estate.schema}, this repoman supports {SCHEMA}",
            "update repoman",
            table="estate",
            key="schema",
        )
    given = _table(source, document, "defaults")
    defaults, origins = _with_fallbacks(given, environ)
    source = replace(source, old=estate.schema < _NO_COUNTS)
    counted: dict[str, Mirrored] = {}
    projects, hosts = _projects(source, document, counted), _hosts(source, document)
    alerts = Alerts(**_table(source, document, "alerts"))
    templates, agents = _templates(source, document), _agents(source, document)
    registry = Registry(
        *(estate, defaults, projects, origins, hosts, counted, alerts, templates, agents)
    )
    if fault := templates_fault(registry):
        raise source.error(*fault)
    return registry


def parse_requested(text: str, path: str) -> Requested:
    """Parse a repo's .repoman.toml. Raise UsageError with the line if it is invalid."""
    source = _Source(path, text)
    requested = Requested(**_values(source, _document(source), "", 0))
    fault = excludes_fault(requested.exclude)
    if fault:
        raise source.error(f"exclude: {fault}", "correct it", key="exclude")
    return requested


def _document(source: _Source) -> dict[str, Any]:
    try:
        return document_of(source.text)
    except tomllib.TOMLDecodeError as error:
        where = re.search(r"\(at line (\d+), column \d+\)", str(error))
        line = where[1] if where else str(source.text.count("\n") + 1)
        what = re.sub(r"\s*\(at .*\)", "", str(error))
        raise UsageError(f"{source.path}, line {line}: not valid TOML", what) from None
    except RecursionError:
        raise UsageError(f"{source.path}: nested too deeply", "use plain tables only") from None


def _did_you_mean(word: str, known: Iterable[str]) -> str:
    known = list(known)
    near = nearest(word, known)
    return f"did you mean {near!r}?" if near else f"known names: {', '.join(known)}"


def _table(source: _Source, document: dict[str, Any], name: str) -> dict[str, Any]:
    value = document.get(name, {})
    if not isinstance(value, dict):
        raise source.error(f"{name} is not a table", f"write [{name}]", key=name)
    return _values(source, value, name, 0)


def _projects(
    source: _Source, document: dict[str, Any], counted: dict[str, Mirrored]
) -> tuple[Project, ...]:
    """Return the projects; add to `counted` what an older schema recorded of their last syncs."""
    tables = document.get("project", [])
    if not isinstance(tables, list) or not all(isinstance(t, dict) for t in tables):
        raise source.error("project is not a list of tables", "write [[project]]", key="project")
    projects: list[Project] = []
    names: set[str] = set()
    folders = RepoFolders()
    for index, table in enumerate(tables):
        project, counts = _project(source, table, index)
        if project.name in names:
            raise source.error(
                f"project {project.name!r} is defined twice",
                "rename or remove one",
                "project",
                index,
                "name",
            )
        other = folders.overlapping(project.repo)
        if other:
            raise source.error(
                f"repo {project.repo!r} overlaps {other!r} of another project",
                "give each project a folder of its own",
                "project",
                index,
                "repo",
            )
        names.add(project.name)
        folders.add(project.repo)
        projects.append(project)
        if counts is not None:
            counted[project.name] = counts
    return tuple(projects)


def _hosts(source: _Source, document: dict[str, Any]) -> tuple[Address, ...]:
    tables = _named_tables(source, document, "hosts")
    return tuple(Address(name, **values) for name, values in tables.items())


def _agents(source: _Source, document: dict[str, Any]) -> tuple[AgentEntry, ...]:
    tables = _named_tables(source, document, "agents")
    agents = tuple(AgentEntry(name, **values) for name, values in tables.items())
    for agent in agents:
        fault = agent_fault(agent)
        if fault:
            raise source.error(
                f"[agents.{agent.name}]: {fault}", "correct it", "agents", key=agent.name
            )
    return agents


def _named_tables(
    source: _Source, document: dict[str, Any], name: str
) -> dict[str, dict[str, Any]]:
    """Return the values of each `[name.NAME]`, by NAME."""
    tables = document.get(name, {})
    if not isinstance(tables, dict) or not all(isinstance(t, dict) for t in tables.values()):
        raise source.error(f"{name} is not a set of tables", f"write [{name}.NAME]", name)
    return {key: _values(source, table, f"{name}.{key}", 0) for key, table in tables.items()}


def _templates(source: _Source, document: dict[str, Any]) -> tuple[Template, ...]:
    tables = _named_tables(source, document, "templates")
    for name in tables:
        if fault := template_name_fault(name):
            raise source.error(fault, "choose another name", "templates", key=name)
    return tuple(Template(name, **values) for name, values in tables.items())


def _project(source: _Source, table: dict[str, Any], index: int) -> tuple[Project, Mirrored | None]:
    values = _values(source, table, "project", index)
    name = values.get("name")
    if not name:
        raise source.error("the project has no name", 'add name = "…"', "project", index, "name")
    values.setdefault("repo", name)
    checks: dict[str, Callable[[str], str]] = {
        "name": partial(check_name, reserved=NAMES_NEVER_VALID),
        "repo": check_repo,
    }
    for key, check in checks.items():
        try:
            values[key] = check(values[key])
        except UsageError as error:
            raise source.error(error.what, error.cure, "project", index, key) from None
    for key in TIMES:
        if values.get(key) and not _is_time(values[key]):
            raise source.error(
                f"{key} = {values[key]!r} is not a time",
                'write it as "2026-04-28T15:00:00Z"',
                "project",
                index,
                key,
            )
    old = _Counts(**{key: values.pop(key) for key in COUNTS if key in values})
    project = Project(**values)
    if old.last_files is None or not project.last_sync:
        return project, None
    tally = Tally(old.last_files, old.last_loose, old.last_packs, old.last_tree)
    return project, Mirrored(project.last_sync, tally)


def _is_time(text: str) -> bool:
    try:
        return datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False


@cache
def _known_keys(name: str) -> Mapping[str, Field[Any]]:
    """Return the keys that a table called `name` may have."""
    return {key.name: key for key in keys(_SHAPES[name.partition(".")[0]])}


def _values(source: _Source, table: dict[str, Any], name: str, index: int) -> dict[str, Any]:
    """Return the values of one table. Raise UsageError for a key that is unknown or invalid."""
    known = _known_keys(name)
    if source.old and name == "project":
        counts = {key.name: key for key in fields(_Counts)}
        known = {**known, **counts, **{old: known[new] for old, new in RENAMED.items()}}
    values = {}
    for key, value in table.items():
        if key not in known:
            raise source.error(
                f"unknown key {key!r}" + (f" in [{name}]" if name else ""),
                _did_you_mean(key, known),
                name,
                index,
                key,
            )
        try:
            values[known[key].name] = _checked(known[key], value)
        except ValueError as error:
            shown = key if name == "alerts" else f"{key} = {format_toml(value)}"  # a secret
            raise source.error(f"{shown}: {error}", "correct it", name, index, key) from None
    return values


def _checked(key: Field[Any], value: Any) -> Any:
    """Return `value` in the type of `key`. Raise ValueError with the rule that it breaks."""
    kind = str(key.type).split(" ")[0].partition("[")[0]
    if kind == "Pairs":
        return _pairs(value)
    if str(key.type).startswith("tuple[Mount"):
        return _mounts(value)
    if kind == "tuple":
        return _list(key, value)
    types, name = _KINDS[kind]
    if value in _WORDS.get(key.name, ()):
        return value
    if not isinstance(value, types) or (isinstance(value, bool) and kind != "bool"):
        raise ValueError(f"must be {' or '.join([name, *map(repr, _WORDS.get(key.name, ()))])}")
    if kind in ("int", "float"):
        _check_range(key.name, value)
    if isinstance(value, str):
        _check_string(key, value)
    return value


def _check_string(key: Field[Any], value: str) -> None:
    _checked_text(value)
    _no_fault(image_fault(value) if value and key.name.endswith("image") else "")
    _check_choice(key, value)
    if key.name in ("healthchecks", "ntfy") and value:
        from repoman_tasks.planning.alert_text import url_fault

        _no_fault(url_fault(value))
    if key.name == "memory_total" and value:
        from repoman_tasks.planning.container.memory_bound import memory_fault

        _no_fault(memory_fault(value))


_FAULTS: dict[str, Callable[[str], str]] = {
    "keep": keep_fault,
    "agent_files": agent_file_fault,
    "agents": installed_agent_fault,
    "files": template_file_fault,
    "packages": package_fault,
    "requested_packages": package_fault,
}
"""Functions that return why an element of a list is not valid, by key."""


def _list(key: Field[Any], value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(v, str) for v in value):
        raise ValueError("must be a list of strings")
    if key.name.endswith("profiles"):
        _no_fault(next(filter(None, map(profile_fault, value)), ""))
    if key.name in _FAULTS:
        _no_fault(next(filter(None, map(_FAULTS[key.name], value)), ""))
    if key.name == "logins":
        _no_fault(next((f"no agent is called {v!r}" for v in value if v not in AGENT_NAMES), ""))
    if key.name == "allow" and value:
        from repoman_tasks.planning.fence.acl import allow_fault

        _no_fault(next(filter(None, map(allow_fault, value)), ""))
    return tuple(_checked_text(v) for v in value)


def _pairs(value: Any) -> Pairs:
    if not isinstance(value, dict) or not all(isinstance(v, str) for v in value.values()):
        raise ValueError("must be a table of strings")
    for name, text in value.items():
        _no_fault(variable_fault(name))
        _checked_text(text)
    return tuple(value.items())


def _mounts(value: Any) -> tuple[Mount, ...]:
    tables: list[Any] = value if isinstance(value, list) else [None]
    if not all(isinstance(t, dict) and set(t) - {"readonly"} == {"source", "path"} for t in tables):
        raise ValueError("must be a list of tables, each with source and path")
    return tuple(_mount(**table) for table in tables)


def _mount(source: Any, path: Any, readonly: Any = False) -> Mount:
    if not isinstance(source, str) or not isinstance(path, str):
        raise ValueError("source and path must be strings")
    if not isinstance(readonly, bool):
        raise ValueError("readonly must be true or false")
    _no_fault(mount_fault(_checked_text(source), _checked_text(path)))
    return Mount(source, path, readonly)


def _no_fault(fault: str) -> None:
    if fault:
        raise ValueError(fault)


def _checked_text(text: str) -> str:
    if "\0" in text:  # no program can be passed one
        raise ValueError("must not contain NUL")
    return text


_KINDS: dict[str, tuple[tuple[type, ...], str]] = {
    "bool": ((bool,), "true or false"),
    "int": ((int,), "a whole number"),
    "float": ((int, float), "a number"),
    "str": ((str,), "a string"),
}
_WORDS = {"protect": (GUARD,)}
"""Further values of keys that are true or false."""


_CHOICES = {"network": MODES, "transport": TRANSPORTS}


def _check_choice(key: Field[Any], value: str) -> None:
    known = _CHOICES.get(key.name, (value,))
    if value not in known and (value or key.default):  # empty is valid if it is the default
        raise ValueError(f"must be one of {', '.join(known)}")


def _check_range(name: str, value: Any) -> None:
    least, most = LEAST.get(name, -math.inf), MOST.get(name, math.inf)
    if not least <= value <= most:  # rejects NaN, too
        limit = f" and at most {most}" if most < math.inf else ""
        raise ValueError(f"must be at least {least}{limit}")


def _with_fallbacks(
    given: dict[str, Any], environ: Mapping[str, str]
) -> tuple[Defaults, dict[str, str]]:
    values, origins = dict(given), dict.fromkeys(given, "registry")
    for key in keys(Defaults):
        variable = env_name(key)
        if key.name in given:
            continue
        if not environ.get(variable):
            origins[key.name] = "built-in"
            continue
        try:
            values[key.name] = _checked(key, _from_text(str(key.type), environ[variable]))
        except ValueError as error:
            raise UsageError(
                f"environment variable {variable}={environ[variable]!r}", str(error)
            ) from None
        origins[key.name] = f"environment {variable}"
    return Defaults(**values), origins


def _from_text(kind: str, text: str) -> Any:
    if kind.startswith("tuple"):
        return [word.strip() for word in text.split(",") if word.strip()]
    if kind == "bool":
        return {"true": True, "false": False}.get(text.lower(), text)
    if kind.startswith(("int", "float")):
        try:
            return int(text) if kind.startswith("int") else float(text)
        except ValueError:
            raise ValueError("must be a number") from None
    return text

"""The registry: which projects exist, where they are, when they were last mirrored.

`parse` turns text into a `Registry`; `Edit`s turn text into other text and keep what a
person wrote around it; `Store` does both to the file on a host, under a lock.
"""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import Field, dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from repoman_tasks.errors import UsageError
from repoman_tasks.model import SCHEMA, Defaults, Estate, Project, Registry, Tally, env_name, keys
from repoman_tasks.planning.names import check_name, check_repo, nearest, overlapping

if TYPE_CHECKING:
    import tomlkit

    from repoman_tasks.host import Host

__all__ = [
    "AddProject",
    "DropProject",
    "Edit",
    "SetKeys",
    "Store",
    "edited",
    "migrated",
    "parse",
    "record_sync",
]

_TABLES: dict[str, type[Defaults] | type[Project] | type[Estate]] = {
    "estate": Estate,
    "defaults": Defaults,
    "project": Project,
}
_TIMES = ("created", "last_sync")
_LEAST: dict[str, float] = {
    "jobs": 1,
    "max_shrink": 0,
    "min_free_mib": 0,
    "probe_seconds": 1,
    "stall_seconds": 1,
    "max_age_hours": 1,
    "last_files": 0,
    "last_loose": 0,
    "max_delete": 0,
    "schema": 0,
}
_MOST: dict[str, float] = {"jobs": 64, "max_shrink": 1}


# --- reading ---------------------------------------------------------------------------


@dataclass(frozen=True)
class _Source:
    """The text that is being read, for errors that name a line of it."""

    path: str
    text: str

    def error(
        self, what: str, cure: str, table: str = "", index: int = 0, key: str = ""
    ) -> UsageError:
        line = _line_of(self.text, table, index, key)
        return UsageError(f"{self.path}, line {line}: {what}", cure)


def _line_of(text: str, table: str, index: int, key: str) -> int:
    """The line of `key` in the `index`th `table`; of the table where the key is not to be seen."""
    seen = -1
    current = ""
    found = 1
    for number, line in enumerate(text.splitlines(), 1):
        header = re.match(r"\s*\[+\s*\"?([^\]\"]*?)\"?\s*\]", line)
        if header:
            current = header[1]
            seen += current == table
            if current == table and seen == index:
                found = number
        elif key and re.match(rf"""\s*["']?{re.escape(key)}["']?\s*[=.]""", line):
            if (not table and not current) or (current == table and seen == index):
                return number
        elif not table and key and current == key:
            return number
    if not table and key:
        header_line = re.search(rf"^\s*\[+\s*\"?{re.escape(key)}\b", text, re.MULTILINE)
        return text.count("\n", 0, header_line.end()) + 1 if header_line else found
    return found


def parse(text: str, path: str, environ: Mapping[str, str]) -> Registry:
    """Read the registry's `text`; `UsageError` with file, line and cure where it is wrong.

    A `[defaults]` key that is missing comes from `environ`, and then from the built-in value.
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
            f"this file has schema {estate.schema}, this repoman knows {SCHEMA}",
            "use the newer repoman that wrote it",
            table="estate",
            key="schema",
        )
    given = _table(source, document, "defaults")
    defaults, origins = _with_fallbacks(given, environ)
    return Registry(estate, defaults, _projects(source, document), origins)


def _document(source: _Source) -> dict[str, Any]:
    try:
        return tomllib.loads(source.text)
    except tomllib.TOMLDecodeError as error:
        where = re.search(r"\(at line (\d+), column \d+\)", str(error))
        line = where[1] if where else str(source.text.count("\n") + 1)
        what = re.sub(r"\s*\(at .*\)", "", str(error))
        raise UsageError(f"{source.path}, line {line}: not valid TOML", what) from None
    except RecursionError:
        raise UsageError(
            f"{source.path}: nested too deeply", "it holds plain tables only"
        ) from None


def _did_you_mean(word: str, known: Iterable[str]) -> str:
    known = list(known)
    near = nearest(word, known)
    return f"did you mean {near!r}?" if near else f"known are {', '.join(known)}"


def _table(source: _Source, document: dict[str, Any], name: str) -> dict[str, Any]:
    value = document.get(name, {})
    if not isinstance(value, dict):
        raise source.error(f"{name} is not a table", f"write [{name}]", key=name)
    return _values(source, value, name, 0)


def _projects(source: _Source, document: dict[str, Any]) -> tuple[Project, ...]:
    tables = document.get("project", [])
    if not isinstance(tables, list) or not all(isinstance(t, dict) for t in tables):
        raise source.error("project is not a list of tables", "write [[project]]", key="project")
    projects: list[Project] = []
    names: set[str] = set()
    for index, table in enumerate(tables):
        project = _project(source, table, index)
        if project.name in names:
            raise source.error(
                f"project {project.name!r} stands here twice",
                "rename or drop one",
                "project",
                index,
                "name",
            )
        other = overlapping(project.repo, (p.repo for p in projects))
        if other:
            raise source.error(
                f"repo {project.repo!r} overlaps {other!r} of another project",
                "give each project a folder of its own",
                "project",
                index,
                "repo",
            )
        names.add(project.name)
        projects.append(project)
    return tuple(projects)


def _project(source: _Source, table: dict[str, Any], index: int) -> Project:
    values = _values(source, table, "project", index)
    name = values.get("name")
    if not name:
        raise source.error("a project without a name", 'add name = "…"', "project", index, "name")
    values.setdefault("repo", name)
    for key, check in (("name", check_name), ("repo", check_repo)):
        try:
            values[key] = check(values[key])
        except UsageError as error:
            raise source.error(error.what, error.cure, "project", index, key) from None
    for key in _TIMES:
        if values.get(key) and not _is_time(values[key]):
            raise source.error(
                f"{key} = {values[key]!r} is not a time",
                'write it as "2026-04-28T15:00:00Z"',
                "project",
                index,
                key,
            )
    return Project(**values)


def _is_time(text: str) -> bool:
    try:
        return datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False


def _values(source: _Source, table: dict[str, Any], name: str, index: int) -> dict[str, Any]:
    """The checked values of one table; a key that is unknown or of a wrong type is an error."""
    known = {key.name: key for key in keys(_TABLES[name])}
    values = {}
    for key, value in table.items():
        if key not in known:
            raise source.error(
                f"unknown key {key!r} in [{name}]", _did_you_mean(key, known), name, index, key
            )
        try:
            values[key] = _checked(known[key], value)
        except ValueError as error:
            raise source.error(
                f"{key} = {value!r}: {error}", "correct it", name, index, key
            ) from None
    return values


def _checked(key: Field[Any], value: Any) -> Any:
    """`value` in the type of `key`; `ValueError` that says what is wanted where it is not that."""
    kind = str(key.type).split(" ")[0].partition("[")[0]
    if kind == "tuple":
        if not isinstance(value, list) or not all(isinstance(v, str) for v in value):
            raise ValueError("this has to be a list of strings")
        return tuple(value)
    types, name = _KINDS[kind]
    if not isinstance(value, types) or (isinstance(value, bool) and kind != "bool"):
        raise ValueError(f"this has to be {name}")
    if kind in ("int", "float"):
        _check_range(key.name, value)
    return value


_KINDS: dict[str, tuple[tuple[type, ...], str]] = {
    "bool": ((bool,), "true or false"),
    "int": ((int,), "a whole number"),
    "float": ((int, float), "a number"),
    "str": ((str,), "a string"),
}


def _check_range(name: str, value: Any) -> None:
    least, most = _LEAST.get(name, -math.inf), _MOST.get(name, math.inf)
    if not least <= value <= most:  # which a NaN is not either
        limit = f" and at most {most}" if most < math.inf else ""
        raise ValueError(f"this has to be at least {least}{limit}")


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
    if kind.startswith(("int", "float")):
        try:
            return int(text) if kind.startswith("int") else float(text)
        except ValueError:
            raise ValueError("this has to be a number") from None
    return text


# --- changing --------------------------------------------------------------------------


@dataclass(frozen=True)
class SetKeys:
    """Set `values` in `[table]`, or in the project named `project`. None removes a key."""

    values: Mapping[str, Any]
    table: str = "defaults"
    project: str = ""


@dataclass(frozen=True)
class AddProject:
    """Append a `[[project]]`; only what differs from the built-in value is written."""

    project: Project


@dataclass(frozen=True)
class DropProject:
    """Remove the `[[project]]` of that name; gone already is fine."""

    name: str


Edit = SetKeys | AddProject | DropProject

_NEW_FILE = """\
# repoman's registry: which projects exist and where they are.
# Written by repoman and by you; your comments and your order stay.

[estate]

[defaults]
"""


def edited(text: str, edits: Iterable[Edit]) -> str:
    """The registry's `text` after `edits`, with comments, order and formatting as they were."""
    draft = _Draft(text or _NEW_FILE)
    for edit in edits:
        if isinstance(edit, SetKeys):
            _set_keys(draft, edit)
        elif isinstance(edit, AddProject):
            _add_project(draft, edit.project)
        else:
            _drop_project(draft, edit.name)
    return draft.text()


class _Draft:
    """The file in the making: a tomlkit document, or the text while it is only appended to."""

    def __init__(self, text: str) -> None:
        self._text: str | None = text
        self._document: tomlkit.TOMLDocument | None = None

    def document(self) -> tomlkit.TOMLDocument:
        import tomlkit

        if self._document is None:
            self._document = tomlkit.parse(self._text or "")
        self._text = None
        return self._document

    def text(self) -> str:
        import tomlkit

        if self._text is None:
            self._text = tomlkit.dumps(self.document())
        return self._text

    def append(self, block: Mapping[str, Any]) -> None:
        """Put new tables at the end, one empty line below what stands there."""
        import tomlkit

        before = self.text().rstrip()
        self._replace((before + "\n\n" if before else "") + tomlkit.dumps(block))

    def insert(self, block: Mapping[str, Any]) -> None:
        """Put a new table at the top, so that the [[project]]s stay together; else at the end."""
        import tomlkit

        text = self.text()
        above = tomlkit.dumps(block) + "\n" + text.lstrip("\n")
        if tomllib.loads(above) == {**tomllib.loads(text), **block}:
            self._replace(above)
        else:  # keys that stand above every table would become keys of the new one
            self.append(block)

    def _replace(self, text: str) -> None:
        self._text, self._document = text, None


def _set_keys(draft: _Draft, edit: SetKeys) -> None:
    document = draft.document()
    if edit.project:
        table = next((p for p in document.get("project", []) if p["name"] == edit.project), None)
        if table is None:  # dropped meanwhile: nothing is left to record
            return
    elif edit.table in document:
        table = document[edit.table]
    else:
        draft.insert({edit.table: {k: _plain(v) for k, v in edit.values.items() if v is not None}})
        return
    _fill(table, edit.values)


def _fill(table: Any, values: Mapping[str, Any]) -> None:
    """Set `values` in a tomlkit table; new keys follow its last one.

    Comments and empty lines at its end belong to the table below, in a person's eyes.
    """
    body = table.value.body if hasattr(table.value, "body") else []
    tail = []
    while body and body[-1][0] is None:
        tail.append(body.pop())
    for key, value in values.items():
        if value is not None:
            table[key] = _plain(value)
        elif key in table:
            del table[key]
    body.extend(reversed(tail))


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _add_project(draft: _Draft, project: Project) -> None:
    table = {
        key.name: _plain(value)
        for key in keys(Project)
        if (value := getattr(project, key.name)) != key.default or key.name == "backup"
    }
    inline = re.search(r"^\s*project\s*=", draft.text(), re.MULTILINE)
    if inline:  # project = [{…}] can't be followed by [[project]]
        projects: Any = draft.document()["project"]
        projects.append(table)
    else:
        draft.append({"project": [table]})


def _drop_project(draft: _Draft, name: str) -> None:
    document = draft.document()
    projects: Any = document.get("project", [])
    for index in reversed(range(len(projects))):
        if projects[index]["name"] == name:
            del projects[index]
    if "project" in document and not len(projects):
        del document["project"]


# --- migrating -------------------------------------------------------------------------


def _schema_of(text: str) -> int:
    schema = tomllib.loads(text).get("estate", {}).get("schema", 0)
    return schema if isinstance(schema, int) else 0


# Each takes the text of one schema to the next. The first files were written by hand and
# have no [estate]; their shape is the one of schema 1.
_MIGRATIONS: Sequence[Callable[[str], str]] = (
    lambda text: edited(text, [SetKeys({"schema": 1}, "estate")]),
)


def migrated(text: str) -> str:
    """The registry's `text` in today's schema; the same text where it has that already."""
    for step in _MIGRATIONS[_schema_of(text) :]:
        text = step(text)
    return text


# --- the file --------------------------------------------------------------------------


class Store:
    """The registry's file on a host."""

    def __init__(self, host: Host) -> None:
        self._host = host
        configured = host.environ.get("REPOMAN_CONFIG")
        base = host.environ.get("XDG_CONFIG_HOME") or f"{host.home}/.config"
        self.path = configured or f"{base}/repoman/repoman.toml"
        if not self.path.startswith("/"):
            raise UsageError(
                f"REPOMAN_CONFIG={self.path!r} is not an absolute path", "begin it with /"
            )
        self.folder = self.path.rpartition("/")[0] or "/"

    def exists(self) -> bool:
        """Whether the file is there."""
        return self._host.read_file(self.path) is not None

    def load(self) -> Registry:
        """The registry as it is now; one with nothing in it where there is no file."""
        return parse(self._text(), self.path, self._host.environ)

    def lock_path(self, name: str) -> str:
        """Where the lock of the project called `name` lies."""
        return f"{self.folder}/locks/{name}.lock"

    def update(self, edits: Callable[[Registry], Iterable[Edit]]) -> Registry:
        """Change the file: under its lock, `edits` sees it as it is then.

        A file of an older schema is migrated and the old one kept beside it. Returns the
        registry as it is afterwards. A file that can't be read stays as it is.
        """
        with self._host.lock(f"{self.path}.lock", wait_seconds=60):
            before = self._text()
            registry = parse(before, self.path, self._host.environ)
            wanted = list(edits(registry))
            if not wanted:
                return registry
            if before and (old := _schema_of(before)) < SCHEMA:
                self._host.write_file(f"{self.path}.schema-{old}", before.encode())
            after = edited(migrated(before) if before else edited("", _first_edits()), wanted)
            result = parse(after, self.path, self._host.environ)
            self._host.write_file(self.path, after.encode())
            return result

    def _text(self) -> str:
        data = self._host.read_file(self.path)
        try:
            return (data or b"").decode()
        except UnicodeDecodeError as error:
            line = (data or b"").count(b"\n", 0, error.start) + 1
            raise UsageError(f"{self.path}, line {line}: not UTF-8", "save it as UTF-8") from None


def _first_edits() -> list[Edit]:
    return [SetKeys({"schema": SCHEMA}, "estate")]


def record_sync(name: str, when: str, tally: Tally) -> Edit:
    """The edit that notes a complete mirror of `name`, which held what `tally` counted."""
    values = {"last_files": tally.files, "last_loose": tally.loose, "last_tree": tally.tree}
    return SetKeys({"last_sync": when, **values}, project=name)


def effective(project: Project, defaults: Defaults) -> Project:
    """`project` with what it leaves open filled in from `defaults`."""
    return replace(
        project,
        image=project.image or defaults.default_image,
        profiles=project.profiles if project.profiles is not None else defaults.profiles,
    )

"""Changes to the registry's text that keep what a person wrote around it."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from repoman_tasks.model import Mount, Project, Tally, keys
from repoman_tasks.planning.registry_edits import AddProject, Edit, SetKeys
from repoman_tasks.registry.line_index import header

if TYPE_CHECKING:
    import tomlkit

__all__ = [
    "edited",
    "migrated",
    "record_mirror",
    "record_stop",
    "record_sync",
    "schema_of",
]


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

        before = self.text().rstrip("\r\n")
        self.replace((before + "\n\n" if before else "") + tomlkit.dumps(block))

    def insert(self, block: Mapping[str, Any]) -> None:
        """Put a new table at the top, so that the [[project]]s stay together; else at the end."""
        import tomlkit

        text = self.text()
        above = tomlkit.dumps(block) + "\n" + text.lstrip("\n")
        if tomllib.loads(above) == {**tomllib.loads(text), **block}:
            self.replace(above)
        else:  # keys that stand above every table would become keys of the new one
            self.append(block)

    def replace(self, text: str) -> None:
        """Go on with `text`."""
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
        if value is not None and not (value == () and key in _TABLES):
            table[key] = _plain(value)
        elif key in table:
            del table[key]
    body.extend(reversed(tail))


_TABLES = {key.name for key in keys(Project) if str(key.type) == "Pairs"}
"""Keys that hold a table: an empty one is none."""


def _plain(value: Any) -> Any:
    """`value` as tomlkit takes it; tables in a value stand in its line."""
    if not isinstance(value, tuple):
        return value
    if value and isinstance(value[0], Mount):
        import tomlkit

        mounts = tomlkit.array()
        mounts.extend(_inline(vars(mount)) for mount in value)
        return mounts
    if value and isinstance(value[0], tuple):
        return _inline(dict(value))
    return list(value)


def _inline(values: Mapping[str, Any]) -> Any:
    import tomlkit

    table = tomlkit.inline_table()
    table.update(values)
    return table


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
    text = draft.text()
    before = tomllib.loads(text)
    names = [project.get("name") for project in before.get("project", [])]
    if name not in names:
        return
    kept = [project for project in before["project"] if project.get("name") != name]
    desired = {key: value for key, value in before.items() if key != "project"}
    desired |= {"project": kept} if kept else {}
    after = _without_table(text, names.index(name))
    if tomllib.loads(after) == desired:
        draft.replace(after)
        return
    projects: Any = draft.document()["project"]  # written in some other way
    del projects[names.index(name)]
    if not kept:
        del draft.document()["project"]


def _without_table(text: str, index: int) -> str:
    """`text` without the lines of its `index`th [[project]].

    Comments below them belong to the next table, in a person's eyes, and stay.
    """
    lines = text.split("\n")
    headers = [number for number, line in enumerate(lines) if header(line) is not None]
    tables = [number for number in headers if header(lines[number]) == ["project"]]
    if index >= len(tables):
        return text
    start = tables[index]
    end = next((number for number in headers if number > start), len(lines))
    while not lines[end - 1].strip() or lines[end - 1].lstrip().startswith("#"):
        end -= 1
    if (start == 0 or not lines[start - 1].strip()) and end < len(lines) and not lines[end].strip():
        end += 1  # one empty line of the two
    rest = lines[:start] + lines[end:]
    while len(rest) > 1 and not rest[-1].strip() and not rest[-2].strip():
        rest.pop()
    return "\n".join(rest)


def record_sync(name: str, when: str, tally: Tally) -> Edit:
    """The edit that notes a complete mirror of `name`, which held what `tally` counted."""
    values = {f"last_{name}": value for name, value in vars(tally).items()}
    return SetKeys({"last_sync": when, **values, "stopped_at": None}, project=name)


def record_mirror(name: str, folder: str) -> Edit:
    """The edit that notes that the mirror of `name` is repoman's own, made at `folder`."""
    return SetKeys({"mirror": folder}, project=name)


def record_stop(name: str, when: str) -> Edit:
    """The edit that notes a sync of `name` that stopped at the most deletions it may do."""
    return SetKeys({"stopped_at": when}, project=name)


def schema_of(text: str) -> int:
    schema = tomllib.loads(text).get("estate", {}).get("schema", 0)
    return schema if isinstance(schema, int) else 0


# Each takes the text of one schema to the next. The first files were written by hand and
# have no [estate]; their shape is the one of schema 1.
_MIGRATIONS: Sequence[Callable[[str], str]] = (
    lambda text: edited(text, [SetKeys({"schema": 1}, "estate")]),
)


def migrated(text: str) -> str:
    """The registry's `text` in today's schema; the same text where it has that already."""
    for step in _MIGRATIONS[schema_of(text) :]:
        text = step(text)
    return text

"""Edit the registry's text; comments, order and formatting stay as they are."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from repoman_tasks.model import Mount, Project, keys
from repoman_tasks.planning.registry_edits import AddProject, Edit, SetKeys
from repoman_tasks.registry.line_index import header
from repoman_tasks.registry.value_edits import set_values

if TYPE_CHECKING:
    import tomlkit

__all__ = [
    "edited",
    "record_mirror",
    "record_stop",
    "record_sync",
]


_NEW_FILE = """\
# repoman's registry: which projects exist and where they are.
# Written by repoman and by you; your comments and your order stay.

[estate]

[defaults]
"""


def edited(text: str, edits: Iterable[Edit]) -> str:
    """Return the registry's `text` with `edits` made, its comments, order and formatting kept."""
    edits = list(edits)
    values = [edit for edit in edits if isinstance(edit, SetKeys)]
    if values and len(values) == len(edits):
        fast = set_values(text, values)
        if fast is not None:
            return fast
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
    """The text being edited: parsed by tomlkit only if more than an append is needed."""

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
        """Append tables, after one empty line."""
        import tomlkit

        before = self.text().rstrip("\r\n")
        self.replace((before + "\n\n" if before else "") + tomlkit.dumps(block))

    def insert(self, block: Mapping[str, Any]) -> None:
        """Insert a table at the top, to keep the [[project]] tables together; else append it."""
        import tomlkit

        text = self.text()
        above = tomlkit.dumps(block) + "\n" + text.lstrip("\n")
        if tomllib.loads(above) == {**tomllib.loads(text), **block}:
            self.replace(above)
        else:  # top-level keys above every table would become keys of the new table
            self.append(block)

    def replace(self, text: str) -> None:
        """Replace the whole text."""
        self._text, self._document = text, None


def _set_keys(draft: _Draft, edit: SetKeys) -> None:
    document = draft.document()
    if edit.project:
        table = next((p for p in document.get("project", []) if p["name"] == edit.project), None)
        if table is None:  # removed in the meantime: nothing to record
            return
    elif edit.table in document:
        table = document[edit.table]
    else:
        draft.insert({edit.table: {k: _plain(v) for k, v in edit.values.items() if v is not None}})
        return
    _fill(table, edit.values)


def _fill(table: Any, values: Mapping[str, Any]) -> None:
    """Set `values` in a tomlkit table; add new keys after its last one.

    Comments and empty lines at its end stay there: a reader takes them for the next table's.
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
"""Keys whose value is a table; an empty table is not written."""


def _plain(value: Any) -> Any:
    """Return `value` in the form that tomlkit writes, with inline tables."""
    if not isinstance(value, tuple):
        return value
    if value and isinstance(value[0], Mount):
        import tomlkit

        mounts = tomlkit.array()
        mounts.extend(_inline(_mount_keys(mount)) for mount in value)
        return mounts
    if value and isinstance(value[0], tuple):
        return _inline(dict(value))
    return list(value)


def _mount_keys(mount: Mount) -> dict[str, Any]:
    always = {"source": mount.source, "path": mount.path}
    return always | ({"readonly": True} if mount.readonly else {})


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
    if inline:  # TOML forbids [[project]] after project = [{…}]
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
    projects: Any = draft.document()["project"]  # an inline array, or dotted keys
    del projects[names.index(name)]
    if not kept:
        del draft.document()["project"]


def _without_table(text: str, index: int) -> str:
    """Return `text` without the lines of its [[project]] number `index`, counted from 0.

    Comments below them stay: a reader takes them for the next table's.
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
        end += 1  # remove one of the two empty lines
    rest = lines[:start] + lines[end:]
    while len(rest) > 1 and not rest[-1].strip() and not rest[-2].strip():
        rest.pop()
    return "\n".join(rest)


def record_sync(name: str, when: str) -> Edit:
    """Return the edit that records a complete sync of project `name` at `when`."""
    return SetKeys({"last_sync": when, "stopped_at": None}, project=name)


def record_mirror(name: str, folder: str) -> Edit:
    """Return the edit that records that repoman made the mirror of `name`, in `folder`."""
    return SetKeys({"mirror": folder}, project=name)


def record_stop(name: str, when: str) -> Edit:
    """Return the edit that records that a sync of `name` stopped at its limit of deletions."""
    return SetKeys({"stopped_at": when}, project=name)

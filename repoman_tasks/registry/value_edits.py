"""Replace single values of projects in the registry's text, in linear time.

Parsing 1,000 projects with tomlkit takes seconds, and a sync changes nothing but such values. The
result is parsed and compared, so the text may have any form that TOML allows.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from repoman_tasks.planning.registry_edits import SetKeys
from repoman_tasks.planning.text.wording import format_toml
from repoman_tasks.registry.line_index import header
from repoman_tasks.registry.toml_text import document_of

__all__ = ["set_values"]

_LINE = re.compile(r'(\s*)([A-Za-z0-9_-]+)(\s*=\s*)("[^"\\]*"|[\w+.-]+)(\s*(?:#.*)?)')
"""A key with a string without escapes, a number or a boolean, and a comment."""


def set_values(text: str, edits: Sequence[SetKeys]) -> str | None:
    """Return `text` with `edits` of projects made, None if they need more than one line a value."""
    if not all(edit.project and all(map(_is_plain, edit.values.values())) for edit in edits):
        return None
    known = document_of(text)
    expected = {**known, "project": [dict(project) for project in _tables(known)]}
    projects = {project.get("name"): project for project in _tables(expected)}
    changes: dict[str, dict[str, Any]] = {}
    for edit in edits:
        if edit.project in projects:  # else it was removed in the meantime: nothing to record
            _set(projects[edit.project], edit.values)
            changes.setdefault(edit.project, {}).update(edit.values)
    names = [str(project.get("name")) for project in _tables(expected)]
    result = "\n".join(_edited_lines(text.split("\n"), names, changes))
    try:
        return result if {"project": [], **document_of(result)} == expected else None
    except tomllib.TOMLDecodeError:
        return None


def _is_plain(value: Any) -> bool:
    return value is None or isinstance(value, str | int)


def _tables(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    projects: list[dict[str, Any]] = document.get("project", [])
    return projects


def _set(table: dict[str, Any], values: Mapping[str, Any]) -> None:
    for key, value in values.items():
        if value is None:
            table.pop(key, None)
        else:
            table[key] = value


def _edited_lines(
    lines: Sequence[str], names: Sequence[str], changes: Mapping[str, Mapping[str, Any]]
) -> Iterator[str]:
    """Yield the lines with `changes`; `names` are those of the [[project]] tables in order."""
    following = iter(names)
    block: list[str] = []
    name = ""
    for line in lines:
        parts = header(line)
        if parts is not None:
            yield from _edited_table(block, changes.get(name, {}))
            block, name = [], next(following, "") if parts == ["project"] else ""
        block.append(line)
    yield from _edited_table(block, changes.get(name, {}))


def _edited_table(lines: Iterable[str], values: Mapping[str, Any]) -> list[str]:
    """Return the lines of one table with `values` set; new keys come after its last key."""
    left = dict(values)
    edited: list[str] = []
    last = 0
    for line in lines:
        match = _LINE.fullmatch(line)
        if match and match[2] in left:
            value = left.pop(match[2])
            if value is None:
                continue
            line = f"{match[1]}{match[2]}{match[3]}{format_toml(value)}{match[5]}"
        edited.append(line)
        if line.strip() and not line.lstrip().startswith("#"):
            last = len(edited)
    new = [f"{key} = {format_toml(value)}" for key, value in left.items() if value is not None]
    return [*edited[:last], *new, *edited[last:]]

"""Convert the registry's text from older schemas; comments and order stay."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Sequence
from typing import Any

from repoman_tasks.planning.registry_edits import SetKeys
from repoman_tasks.registry.edits import edited
from repoman_tasks.registry.reader import COUNTS, RENAMED

__all__ = ["migrated", "schema_of"]

_COUNT_LINE = re.compile(rf'^[ \t]*(?:{"|".join(COUNTS)})[ \t]*=[ \t]*(?:"\w*"|\d+)[ \t]*\n', re.M)
_OLD_NAME = re.compile(rf"^([ \t]*)({'|'.join(RENAMED)})(?=[ \t]*=)", re.M)


def schema_of(text: str) -> int:
    """Return the schema version of the registry's `text`, 0 if it names none."""
    schema = tomllib.loads(text).get("estate", {}).get("schema", 0)
    return schema if isinstance(schema, int) else 0


def migrated(text: str) -> str:
    """Return the registry's `text` in the current schema, unchanged if it has that already."""
    for step in _MIGRATIONS[schema_of(text) :]:
        text = step(text)
    return text


def _to_schema_1(text: str) -> str:
    """The first registries were written by hand and have no [estate], else the same shape."""
    return edited(text, [SetKeys({"schema": 1}, "estate")])


def _to_schema_2(text: str) -> str:
    """Drop what is state now, and rename what a repo requested."""
    expected = tomllib.loads(text)
    _convert(expected)
    after = _OLD_NAME.sub(lambda match: match[1] + RENAMED[match[2]], _COUNT_LINE.sub("", text))
    if not _means(after, expected):  # the keys are in another form: an inline table, or dotted
        import tomlkit

        document = tomlkit.parse(text)
        _convert(document)
        after = tomlkit.dumps(document)
    return edited(after, [SetKeys({"schema": 2}, "estate")])


def _convert(document: Any) -> None:
    for project in document.get("project", []):
        for key in COUNTS:
            project.pop(key, None)
        for old, new in RENAMED.items():
            if old in project:
                project[new] = project.pop(old)


def _means(text: str, expected: dict[str, Any]) -> bool:
    try:
        return tomllib.loads(text) == expected
    except tomllib.TOMLDecodeError:
        return False


# Step N migrates the text from schema N to N + 1.
_MIGRATIONS: Sequence[Callable[[str], str]] = (_to_schema_1, _to_schema_2)

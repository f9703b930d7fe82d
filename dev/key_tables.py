"""Generate the tables of keys in the pages from the registry's schema. No I/O."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import MISSING, Field
from typing import Any

from repoman_tasks.model import (
    Address,
    AgentEntry,
    Alerts,
    Defaults,
    Estate,
    Mount,
    Project,
    Requested,
    Template,
    env_name,
    keys,
)
from repoman_tasks.planning.text.wording import format_toml
from repoman_tasks.registry.reader import LEAST, MOST, TIMES

__all__ = ["TABLES", "table", "with_tables"]

TABLES: Mapping[str, type[Any]] = {
    "estate": Estate,
    "defaults": Defaults,
    "project": Project,
    "templates": Template,
    "hosts": Address,
    "alerts": Alerts,
    "agents": AgentEntry,
    "mount": Mount,
    "repo": Requested,
}
"""The schema of each table, by its name in a page's mark."""

_PLACE = re.compile(r"(<!-- keys: (\w+) -->\n)((?!<!--).)*(<!-- /keys -->)", re.DOTALL)


def with_tables(page: str) -> str:
    """Return `page` with the tables between its marks generated."""
    return _PLACE.sub(lambda found: f"{found[1]}\n{table(TABLES[found[2]])}\n\n{found[4]}", page)


def table(kind: type[Any]) -> str:
    """Return a table of the keys of the registry, or of a .repoman.toml."""
    with_variables = kind is Defaults
    head = ["Key", "Type", "Default", *(["Variable"] if with_variables else []), "Meaning"]
    rows = [head, ["---"] * len(head)]
    for key in keys(kind):
        variable = [f"`{env_name(key)}`" if env_name(key) else ""] if with_variables else []
        rows.append([f"`{key.name}`", _type(key), _default(key), *variable, key.metadata["doc"]])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


_WORDS = {
    "tuple[Mount": "list of tables",
    "tuple": "list of strings",
    "Pairs": "table of strings",
    "str": "string",
    "int": "whole number",
    "float": "number",
    "bool | str": 'true, false or `"guard"`',
    "bool": "true or false",
}


def _type(key: Field[Any]) -> str:
    if key.name in TIMES:
        return "time, in quotes"
    kind = str(key.type)
    argv = next(argv for start, argv in _WORDS.items() if kind.startswith(start))
    least, most = LEAST.get(key.name), MOST.get(key.name)
    if least is None:
        return argv
    return f"{argv}, {least} to {most}" if most else f"{argv}, at least {least}"


def _default(key: Field[Any]) -> str:
    """Return the default as TOML, "" if there is none."""
    value = {} if str(key.type) == "Pairs" else key.default
    return "" if value in (MISSING, None, "") else f"`{format_toml(value)}`"

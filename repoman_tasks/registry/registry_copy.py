"""The copy of the registry on the share, from which a lost one is set up again.

It holds no environment of containers, because that may be secret, no requests of repos, which they
make again, and no times of syncs, so that it changes only if a person changed something.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from repoman_tasks.model import SCHEMA, Address, Defaults, Mount, Project, Registry, keys

__all__ = ["copy_text"]

_LEFT_OUT = ("env", "last_sync", "stopped_at")
_COPIED = {
    table: [
        (key.name, key.default)
        for key in keys(table)
        if key.name not in _LEFT_OUT and not key.name.startswith("requested_")
    ]
    for table in (Address, Project)
}
"""Name and default of each key that is copied, by its table."""


def copy_text(registry: Registry) -> str:
    """Return the text of the copy of `registry`: a registry itself."""
    lines = ["# A copy of repoman's registry, without environment variables: see docs/mirror.md."]
    lines += ["[estate]", f"schema = {SCHEMA}", f"id = {_value(registry.estate.id)}"]
    lines += ["", "[defaults]"]
    stored = (key.name for key in keys(Defaults) if registry.origins[key.name] == "registry")
    defaults = (name for name in stored if name not in _LEFT_OUT)
    lines += [f"{name} = {_value(getattr(registry.defaults, name))}" for name in defaults]
    for host in registry.hosts:
        lines += ["", f"[hosts.{_value(host.name)}]", *_changed(Address, host)]
    for project in registry.projects:
        lines += ["", "[[project]]", *_changed(Project, project)]
    return "\n".join([*lines, ""])


def _changed(table: type[Address] | type[Project], row: Address | Project) -> Iterator[str]:
    """Yield a line for each key of `row` that differs from its default."""
    for name, default in _COPIED[table]:
        value = getattr(row, name)
        if value != default:
            yield f"{name} = {_value(value)}"


def _value(value: Any) -> str:
    """Return `value` as TOML, which has the strings of JSON but for one character."""
    if isinstance(value, Mount):
        readonly = ", readonly = true" if value.readonly else ""
        return f"{{ source = {_value(value.source)}, path = {_value(value.path)}{readonly} }}"
    if isinstance(value, tuple):
        return f"[{', '.join(map(_value, value))}]"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")

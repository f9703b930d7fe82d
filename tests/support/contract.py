"""What `--json` promises: each output that a test gets is held against its command's schema."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

__all__ = ["SCHEMAS", "faults", "hold", "schema"]

SCHEMAS = Path(__file__).resolve().parents[2] / "docs/schemas"
_COMMANDS = ("list", "status", "sync")


def hold(argv: Sequence[str | bytes], out: str) -> None:
    """Fail where `argv` asked for JSON of one command and `out` is not what its schema says."""
    asked = [word for word in argv if word in _COMMANDS]
    if len(asked) != 1 or not out:
        return
    if "--json" in argv:
        _check(str(asked[0]), json.loads(out), argv)
    elif "--json-lines" in argv:
        for line in out.splitlines():
            _check("sync-lines", json.loads(line), argv)


def _check(name: str, value: Any, argv: Sequence[str | bytes]) -> None:
    found = faults(name, value)
    assert not found, f"{argv} is not what docs/schemas/{name}.schema.json says: {found}"


def faults(name: str, value: Any) -> list[str]:
    """In what `value` differs from the schema called `name`."""
    from jsonschema.exceptions import best_match

    fault = best_match(_validator(name).iter_errors(value))
    return [] if fault is None else [f"{fault.json_path}: {fault.message}"]


@cache
def schema(name: str) -> dict[str, Any]:
    """The schema called `name`."""
    found: dict[str, Any] = json.loads((SCHEMAS / f"{name}.schema.json").read_text())
    return found


@cache
def _validator(name: str) -> Any:
    from jsonschema import Draft202012Validator

    Draft202012Validator.check_schema(schema(name))
    return Draft202012Validator(schema(name))

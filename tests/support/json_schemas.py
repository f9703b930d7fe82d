"""Check the JSON output of commands against docs/schemas."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

__all__ = ["SCHEMAS", "check_json", "find_schema_errors", "load_schema"]

SCHEMAS = Path(__file__).resolve().parents[2] / "docs/schemas"
_COMMANDS = ("history", "list", "log", "restore", "status", "sync", "verify")
_OF_SEVERAL_WORDS = ("agent", "snapshot")
"""Commands that have a `list` of their own."""


def check_json(argv: Sequence[str | bytes], out: str) -> None:
    """Fail if `argv` requests JSON from one command and `out` does not match its schema."""
    commands = [word for word in argv if word in _OF_SEVERAL_WORDS]
    commands = commands or [word for word in argv if word in _COMMANDS]
    if len(commands) != 1 or not out:
        return
    if "--json" in argv:
        name = "records" if commands[0] == "log" else str(commands[0])  # that of REPOMAN_LOG
        _check(name, json.loads(out), argv)
    elif "--json-lines" in argv:
        for line in out.splitlines():
            _check("sync-lines", json.loads(line), argv)


def _check(name: str, value: Any, argv: Sequence[str | bytes]) -> None:
    errors = find_schema_errors(name, value)
    assert not errors, f"{argv} violates docs/schemas/{name}.schema.json: {errors}"


def find_schema_errors(name: str, value: Any) -> list[str]:
    """Return the first violation of the schema called `name` in `value`, if any."""
    from jsonschema.exceptions import best_match

    error = best_match(_validator(name).iter_errors(value))
    return [] if error is None else [f"{error.json_path}: {error.message}"]


@cache
def load_schema(name: str) -> dict[str, Any]:
    """Return the schema called `name`."""
    schema: dict[str, Any] = json.loads((SCHEMAS / f"{name}.schema.json").read_text())
    return schema


@cache
def _validator(name: str) -> Any:
    from jsonschema import Draft202012Validator

    Draft202012Validator.check_schema(load_schema(name))
    return Draft202012Validator(load_schema(name))

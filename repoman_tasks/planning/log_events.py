"""Entries of the log of changes, without anything that may be a secret. Pure.

The argv is logged for a few programs whose arguments are paths and options; for any other program,
only its name. A request to Incus is logged with method and path, but no body; a program in a
container, with the container's name only. So a new program logs no arguments by default.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from repoman_tasks.planning.steps import Step

__all__ = ["loggable_program", "loggable_step"]

_LOGGED_ARGV = ("chgrp", "chmod", "dd", "mkdir", "mv", "rm", "rmdir", "rsync", "touch", "usermod")
"""Programs whose argv is logged."""
_WRAPPERS = {"sudo": 1, "env": 3}
"""Programs that run another one, and its index in their argv, as in `env -C FOLDER PROGRAM`."""
_FILTER = "--filter="
"""rsync gets many filters, and they change nothing by themselves."""
_METHODS = ("POST", "PUT", "PATCH", "DELETE")
_HEAD, _TAIL = 24, 8
"""Numbers of arguments that are logged from both ends of a long argv."""
_STEP_FIELDS = ("name", "path", "source", "action", "to", "method")
"""Attributes of a step that are logged: names and paths, but no values."""


def loggable_program(argv: tuple[str, ...]) -> Mapping[str, Any] | None:
    """Return the log entry of a program run with `argv`; None if it changes nothing."""
    program = argv[0].rpartition("/")[2]
    wrapped = argv[_WRAPPERS[program] :] if program in _WRAPPERS else ()
    if wrapped and wrapped[0] in _LOGGED_ARGV:
        return loggable_program(wrapped)
    if program == "incus":
        return _incus_entry(argv)
    if program == "git":
        return {"words": ["git", *[arg for arg in argv if arg in ("clone", "init")]]}
    if program == "rsync" and "--dry-run" in argv:
        return None
    if program == "rsync":
        argv = tuple(arg for arg in argv if not arg.startswith(_FILTER))
    return {"words": _shortened(argv) if program in _LOGGED_ARGV else [program]}


def _incus_entry(argv: tuple[str, ...]) -> Mapping[str, Any] | None:
    target = next((arg.removeprefix("local:") for arg in argv if arg.startswith("local:")), "")
    if argv[1:2] == ("query",):
        method = next((arg for arg in argv if arg in _METHODS), "GET")
        return {"method": method, "path": target} if method != "GET" else None
    return {"words": ["incus", "exec", target] if argv[1:2] == ("exec",) else ["incus"]}


def _shortened(argv: tuple[str, ...]) -> list[str]:
    if len(argv) <= _HEAD + _TAIL:
        return list(argv)
    omitted = f"… {len(argv) - _HEAD - _TAIL} more"
    return [*argv[:_HEAD], omitted, *argv[-_TAIL:]]


def loggable_step(step: Step) -> Mapping[str, str]:
    """Return the log entry of a step: its kind, such as "create-container", and its names."""
    kind = re.sub(r"(?<!^)(?=[A-Z])", "-", type(step).__name__).lower()
    attributes = {f.name: getattr(step, f.name) for f in fields(step) if f.name in _STEP_FIELDS}
    return {"step": kind, **{key: value for key, value in attributes.items() if value}}

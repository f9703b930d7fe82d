"""What a log of changes may say: whatever could hold a secret is left out.

Shown are the words of a few programs whose words are paths and options. Of any other it is the name
alone; of a request to Incus method and path, without the body; of what runs inside a container its
name. So a program that is new here shows nothing, until somebody knows that it may.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from repoman_tasks.planning.steps import Step

__all__ = ["loggable_program", "loggable_step"]

_SHOWN = ("chgrp", "chmod", "dd", "mkdir", "mv", "rm", "rmdir", "rsync", "touch", "usermod")
"""Programs whose words are shown."""
_WITHIN = {"sudo": 1, "env": 3}
"""Programs that start another one, and which of their words that is: `env -C FOLDER PROGRAM`."""
_FILTER = "--filter="
"""What rsync is to leave out takes many words and changes nothing."""
_METHODS = ("POST", "PUT", "PATCH", "DELETE")
_BEFORE, _BEHIND = 24, 8
"""So many words of the begin and of the end of many."""
_STEP_FIELDS = ("name", "path", "source", "action", "to", "method")
"""What of a step is shown: names and paths, and never a value."""


def loggable_program(argv: tuple[str, ...]) -> Mapping[str, Any] | None:
    """What is told of a program that was run by `argv`; None where it changes nothing."""
    program = argv[0].rpartition("/")[2]
    within = argv[_WITHIN[program] :] if program in _WITHIN else ()
    if within and within[0] in _SHOWN:
        return loggable_program(within)
    if program == "incus":
        return _of_incus(argv)
    if program == "git":
        return {"words": ["git", *[word for word in argv if word in ("clone", "init")]]}
    if program == "rsync" and "--dry-run" in argv:
        return None
    if program == "rsync":
        argv = tuple(word for word in argv if not word.startswith(_FILTER))
    return {"words": _bounded(argv) if program in _SHOWN else [program]}


def _of_incus(argv: tuple[str, ...]) -> Mapping[str, Any] | None:
    what = next((word.removeprefix("local:") for word in argv if word.startswith("local:")), "")
    if argv[1:2] == ("query",):
        method = next((word for word in argv if word in _METHODS), "GET")
        return {"method": method, "path": what} if method != "GET" else None
    return {"words": ["incus", "exec", what] if argv[1:2] == ("exec",) else ["incus"]}


def _bounded(argv: tuple[str, ...]) -> list[str]:
    if len(argv) <= _BEFORE + _BEHIND:
        return list(argv)
    left_out = f"… {len(argv) - _BEFORE - _BEHIND} more"
    return [*argv[:_BEFORE], left_out, *argv[-_BEHIND:]]


def loggable_step(step: Step) -> Mapping[str, str]:
    """What is told of a step: its kind, as `create-container`, and what it is about."""
    kind = re.sub(r"(?<!^)(?=[A-Z])", "-", type(step).__name__).lower()
    about = {f.name: getattr(step, f.name) for f in fields(step) if f.name in _STEP_FIELDS}
    return {"step": kind, **{key: value for key, value in about.items() if value}}

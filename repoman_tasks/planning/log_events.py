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

__all__ = ["told_of_program", "told_of_step"]

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


def told_of_program(words: tuple[str, ...]) -> Mapping[str, Any] | None:
    """What is told of a program that was run by `words`; None where it changes nothing."""
    program = words[0].rpartition("/")[2]
    within = words[_WITHIN[program] :] if program in _WITHIN else ()
    if within and within[0] in _SHOWN:
        return told_of_program(within)
    if program == "incus":
        return _of_incus(words)
    if program == "git":
        return {"words": ["git", *[word for word in words if word in ("clone", "init")]]}
    if program == "rsync" and "--dry-run" in words:
        return None
    if program == "rsync":
        words = tuple(word for word in words if not word.startswith(_FILTER))
    return {"words": _bounded(words) if program in _SHOWN else [program]}


def _of_incus(words: tuple[str, ...]) -> Mapping[str, Any] | None:
    what = next((word.removeprefix("local:") for word in words if word.startswith("local:")), "")
    if words[1:2] == ("query",):
        method = next((word for word in words if word in _METHODS), "GET")
        return {"method": method, "path": what} if method != "GET" else None
    return {"words": ["incus", "exec", what] if words[1:2] == ("exec",) else ["incus"]}


def _bounded(words: tuple[str, ...]) -> list[str]:
    if len(words) <= _BEFORE + _BEHIND:
        return list(words)
    left_out = f"… {len(words) - _BEFORE - _BEHIND} more"
    return [*words[:_BEFORE], left_out, *words[-_BEHIND:]]


def told_of_step(step: Step) -> Mapping[str, str]:
    """What is told of a step: its kind, as `create-container`, and what it is about."""
    kind = re.sub(r"(?<!^)(?=[A-Z])", "-", type(step).__name__).lower()
    about = {f.name: getattr(step, f.name) for f in fields(step) if f.name in _STEP_FIELDS}
    return {"step": kind, **{key: value for key, value in about.items() if value}}

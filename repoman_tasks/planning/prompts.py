"""What a person may be asked. Each question names what answers it where nobody is there. Pure.

`ask` asks nothing else. What a question is answered with stands here by command, so that a test
can hold it against the signatures of the tasks.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from repoman_tasks.errors import UsageError
from repoman_tasks.planning.names import nearest
from repoman_tasks.planning.text.wording import shown_url

__all__ = [
    "ACTION",
    "APPROVE",
    "CONTAINER",
    "DELETE_REPO",
    "DESTROY",
    "FIRST_PROJECT",
    "GO_AHEAD",
    "IMAGE",
    "INIT_INCUS",
    "LOCAL_REPOS",
    "MIRROR",
    "NEW_NAME",
    "NFS_REPOS",
    "PARTS",
    "POOL",
    "PROFILES",
    "PROJECT",
    "REPAIR",
    "REPO",
    "SHELL",
    "SOURCE",
    "SUDO",
    "WORDS",
    "Prompt",
    "command_line",
    "listed",
    "picked",
]


@dataclass(frozen=True, eq=False)
class Prompt:
    """A question."""

    text: str
    """What is asked; a `{}` is what it is about."""
    answers: Mapping[str, tuple[str, ...]]
    """By the name of each command that may ask it, the arguments of that which answer it."""
    instead: Mapping[str, str] = field(default_factory=dict)
    """By the name of a command where no argument does, what a person types instead."""

    def arguments(self, command: str) -> tuple[str, ...]:
        """The arguments of `command` that answer it, by their names in its signature."""
        if command not in self.answers and command not in self.instead:
            raise AssertionError(f"nothing says what answers {self.text!r} of {command}")
        return self.answers.get(command, ())

    def way(self, command: str) -> str:
        """What to do where nobody can be asked."""
        flags = [f"--{name.replace('_', '-')}" for name in self.arguments(command)]
        return f"add {' or '.join(flags)}" if flags else self.instead[command]


def _of(commands: str, *arguments: str) -> dict[str, tuple[str, ...]]:
    return dict.fromkeys(commands.split(), arguments)


GO_AHEAD = Prompt("Go ahead?", _of("adopt completion new remove setup status update", "yes"))
SUDO = Prompt("Run that now, with sudo?", _of("setup", "yes"))

# --- which one ----------------------------------------------------------------------------

PROJECT = Prompt(
    "Which project?", _of("exec remove restart shell start stop trust untrust update", "name")
)
CONTAINER = Prompt("Which container?", _of("adopt", "name"))
WORDS = Prompt("Which words are to run there?", {}, {"exec": "put them behind --"})
ACTION = Prompt("Which of the two?", _of("completion", "action"))
SHELL = Prompt("For which shell?", _of("completion", "shell"))

# --- a new project ------------------------------------------------------------------------

NEW_NAME = Prompt("Name of the project?", _of("new", "name"))
SOURCE = Prompt(
    "Where does it come from, a number or a URL to clone?", _of("new", "create", "clone", "repo")
)
PARTS = Prompt("What is it to have?", _of("new", "no_container", "no_backup"))
IMAGE = Prompt("Image of its container?", _of("new", "image"))
PROFILES = Prompt("Its Incus profiles?", _of("new", "profile"))

# --- setting up ---------------------------------------------------------------------------

LOCAL_REPOS = Prompt("Folder of your local repos?", _of("setup", "local_repos"))
NFS_REPOS = Prompt("Folder on the backup share?", _of("setup", "nfs_repos"))
INIT_INCUS = Prompt(
    "Incus was never initialised. Give it a storage pool, in a plain folder?",
    _of("setup", "init_incus"),
)
POOL = Prompt("Storage pool for the containers?", _of("setup", "storage_pool"))
FIRST_PROJECT = Prompt("A first project: a number, or a new name?", {}, {"setup": "`repoman new`"})
MIRROR = Prompt("Mirror {} now?", {}, {"setup": "`repoman sync`"})

# --- what takes away, or lets in ----------------------------------------------------------

REPAIR = Prompt("What about {}?", _of("status", "missing", "orphan", "half_made", "yes"))
DESTROY = Prompt("The container {} will be destroyed.", _of("status", "yes"))
REPO = Prompt("And its repo?", _of("remove", "keep_repo", "delete_repo"))
DELETE_REPO = Prompt("{} will be deleted.", _of("remove", "yes"))
APPROVE = Prompt(
    "Whatever runs inside may have written that. Approve it?",
    _of("new update", "trust"),
    {"trust": "`repoman update --trust`"},
)


# --- choosing from a list -----------------------------------------------------------------

_MOST_LISTED = 20
"""What is more than that is no choice by number any more."""


def listed(options: Sequence[str]) -> bool:
    """Whether `options` are few enough to be shown with numbers."""
    return len(options) <= _MOST_LISTED


def picked(answer: str, options: Sequence[str], *, free: bool) -> str:
    """The one of `options` that `answer` means, by its number or itself.

    Anything else is itself where `free`, else `UsageError`.
    """
    if answer in options:
        return answer
    if options and listed(options) and _is_number(answer):
        if 0 < int(answer) <= len(options):
            return options[int(answer) - 1]
        raise UsageError(f"there is no {answer}", _range(options))
    if free:
        return answer
    near = nearest(answer, options)
    raise UsageError(
        f"there is no {answer!r}", f"did you mean {near}?" if near else _range(options)
    )


def _is_number(answer: str) -> bool:
    return answer.isascii() and answer.isdigit() and len(answer) < 4


def _range(options: Sequence[str]) -> str:
    if not listed(options):
        return "answer with one of the names"
    return f"answer 1 to {len(options)}" if len(options) > 1 else "answer 1"


# --- the same, by flags -------------------------------------------------------------------


def command_line(
    command: str, positional: Iterable[str], given: Mapping[str, object], argv: Sequence[str] = ()
) -> str:
    """What a person would type so that `command` gets what is `given`; quoted for a shell.

    What is false or empty was not given. `argv` are those behind --. What may be secret in a URL
    is left out.
    """
    there = {name: value for name, value in given.items() if value}
    typed = ["repoman", command, *(str(there.pop(name)) for name in positional if name in there)]
    for name, value in there.items():
        shown = shown_url(str(value)) if name == "clone" else value
        typed += _flag(f"--{name.replace('_', '-')}", shown)
    return shlex.join([*typed, *(["--", *argv] if argv else [])])


def _flag(flag: str, value: object) -> list[str]:
    if value is True:
        return [flag]
    if isinstance(value, list):
        return [word for one in value for word in _flag(flag, one)]
    return [f"{flag}={value}"] if str(value).startswith("-") else [flag, str(value)]

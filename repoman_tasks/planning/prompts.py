"""All prompts, each with the options that answer it without a terminal. Pure.

`terminal.prompter` accepts nothing but a Prompt. The options are listed by command; a test
checks them against the signatures of the tasks.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field

from repoman_tasks.errors import UsageError
from repoman_tasks.late_dataclass import dataclass
from repoman_tasks.planning.names import nearest
from repoman_tasks.planning.text.wording import redact_url

__all__ = [
    "ACTION",
    "AGENT",
    "AGENTS",
    "APPROVE",
    "APPROVE_GIT",
    "ARGV",
    "CLOSE_SHARED",
    "CONTAINER",
    "DELETE_CONTAINER",
    "DELETE_MIRROR",
    "DELETE_REPO",
    "FIRST_PROJECT",
    "FORCE",
    "GO_AHEAD",
    "IMAGE",
    "INIT_INCUS",
    "LOCAL_REPOS",
    "MIRROR",
    "NEW_NAME",
    "NEW_NAME_OF",
    "NFS_REPOS",
    "PARTS",
    "POOL",
    "PORT",
    "PROFILES",
    "PROJECT",
    "PROTECT",
    "REPAIR",
    "REPO",
    "SECRET",
    "SEEN",
    "SHELL",
    "SOURCE",
    "SUDO",
    "TEMPLATE",
    "Prompt",
    "command_line",
    "is_menu",
    "option_name",
    "parse_choice",
]


@dataclass(frozen=True, eq=False)
class Prompt:
    """Question to a person, and the options that answer it."""

    text: str
    """Text of the question; `{}` stands for its subject."""
    answers: Mapping[str, tuple[str, ...]]
    """Arguments that answer it, by the name of the command that asks."""
    cures: Mapping[str, str] = field(default_factory=dict)
    """Cures by the name of a command that has no such argument."""

    def arguments(self, command: str) -> tuple[str, ...]:
        """Return the arguments of `command` that answer it. Raise AssertionError if unknown."""
        if command not in self.answers and command not in self.cures:
            raise AssertionError(f"no option of {command} is known to answer {self.text!r}")
        return self.answers.get(command, ())

    def cure(self, command: str) -> str:
        """Return what to do in `command` without a terminal, such as "pass --yes"."""
        flags = [f"--{option_name(name)}" for name in self.arguments(command)]
        return f"pass {' or '.join(flags)}" if flags else self.cures[command]


def option_name(argument: str) -> str:
    """Return the name of the option for an argument; `with_` is one that Python has a word for."""
    return argument.rstrip("_").replace("_", "-")


def _answers(commands: str, *arguments: str) -> dict[str, tuple[str, ...]]:
    return dict.fromkeys(commands.split(), arguments)


GO_AHEAD = Prompt(
    "Go ahead?",
    _answers(
        "adopt completion git-guard login new nightly remove rename reset restore setup "
        "snapshot ssh-config status template undo uninstall update",
        "yes",
    ),
)
SUDO = Prompt("Run this with sudo now?", _answers("setup", "yes"))

# --- projects, containers, programs ---------------------------------------------------------

PROJECT = Prompt(
    "Which project?",
    _answers(
        "agent exec forward history remove rename reset restart restore shell snapshot start stop "
        "trust undo untrust update",
        "name",
    ),
)
NEW_NAME_OF = Prompt("New name of {}?", _answers("rename", "to"))
CONTAINER = Prompt("Which container?", _answers("adopt", "name"))
ARGV = Prompt("Which command should run there?", {}, {"exec": "pass it after --"})
PORT = Prompt("Which port, as PORT or PORT:LOCAL?", _answers("forward", "port"))
ACTION = Prompt("Install or remove?", _answers("completion", "action"))
SHELL = Prompt("Which shell?", _answers("completion", "shell"))
AGENT = Prompt("Log in which agent?", _answers("login", "agent"))
SECRET = Prompt("What is the {} of {}? It will not be shown.", _answers("login", "stdin"))

# --- a new project ------------------------------------------------------------------------

NEW_NAME = Prompt("Name of the project?", _answers("new", "name"))
SOURCE = Prompt(
    "Source of the repo: a number, or a URL to clone?",
    _answers("new", "create", "clone", "restore", "repo"),
)
PARTS = Prompt("Container, backup, or both?", _answers("new", "no_container", "no_backup"))
TEMPLATE = Prompt("Template of the container?", _answers("new", "template"))
IMAGE = Prompt("Image of the container?", _answers("new", "image"))
PROTECT = Prompt("What should be read-only inside?", _answers("new", "protect"))
NESTING = Prompt("Allow containers inside {}?", _answers("new", "yes"))
PROFILES = Prompt("Incus profiles of the container?", _answers("new", "profile"))

# --- setup --------------------------------------------------------------------------------

LOCAL_REPOS = Prompt("Folder of your local repos?", _answers("setup", "local_repos"))
NFS_REPOS = Prompt("Folder on the backup share?", _answers("setup", "nfs_repos"))
INIT_INCUS = Prompt(
    "Incus is not initialised. Create a storage pool in a plain folder?",
    _answers("setup", "init_incus"),
)
CLOSE_SHARED = Prompt(
    "{} runs here what containers write there. Close it to them?", _answers("setup", "repair")
)
AGENTS = Prompt("Which agents should new containers have?", _answers("setup", "agents"))
POOL = Prompt("Storage pool for the containers?", _answers("setup", "storage_pool"))
ADOPT_SHARE = Prompt(
    "{} has the mirrors of a lost registry. Take over its projects?",
    _answers("setup", "adopt_share"),
)
RESTORE_ALL = Prompt("Restore {} now?", {}, {"setup": "run `repoman restore --all`"})
FIRST_PROJECT = Prompt(
    "First project: a number, or a new name?", {}, {"setup": "run `repoman new`"}
)
MIRROR = Prompt("Mirror {} now?", {}, {"setup": "run `repoman sync`"})

# --- deletions and approvals ----------------------------------------------------------------

REPAIR = Prompt(
    "What should happen to {}?", _answers("status", "missing", "orphan", "half_made", "yes")
)
DELETE_CONTAINER = Prompt("The container {} will be deleted.", _answers("status", "yes"))
FORCE = Prompt("The mirror becomes as empty as the repo: {} go. Go ahead?", _answers("sync", "yes"))
REPO = Prompt("What should happen to its repo?", _answers("remove", "keep_repo", "delete_repo"))
DELETE_MIRROR = Prompt("{} will be deleted.", _answers("remove", "yes"))
DELETE_REPO = Prompt("{} will be deleted.", _answers("remove", "yes"))
APPROVE = Prompt(
    "A program in the container may have written this. Approve it?",
    _answers("new update", "trust"),
    {"trust": "run `repoman update --trust`"},
)
SEEN = Prompt(
    "A container may have written this. Mark all of it as seen?",
    {},
    {"status": "run `repoman status NAME` first"},
)
APPROVE_GIT = Prompt(
    "A program in the container may have written this. Have git use it?",
    {},
    {"trust": "run `repoman trust --git` on a terminal"},
)


# --- menus --------------------------------------------------------------------------------

_MAX_MENU = 20
"""Largest number of options for a menu with numbers."""


def is_menu(options: Sequence[str]) -> bool:
    """Return True if `options` are few enough for a menu with numbers."""
    return len(options) <= _MAX_MENU


def parse_choice(answer: str, options: Sequence[str], *, free: bool) -> str:
    """Return the option that `answer` names, by itself or by its number in the menu.

    If `free`, any other answer is returned as it is; if not, raise UsageError.
    """
    if answer in options:
        return answer
    if options and is_menu(options) and _is_number(answer):
        if 0 < int(answer) <= len(options):
            return options[int(answer) - 1]
        raise UsageError(f"{answer} is not a choice", _range(options))
    if free:
        return answer
    near = nearest(answer, options)
    raise UsageError(
        f"{answer!r} is not a choice", f"did you mean {near}?" if near else _range(options)
    )


def _is_number(answer: str) -> bool:
    return answer.isascii() and answer.isdigit() and len(answer) < 4


def _range(options: Sequence[str]) -> str:
    if not is_menu(options):
        return "enter one of the names"
    return f"enter 1 to {len(options)}" if len(options) > 1 else "enter 1"


# --- the equivalent command line ------------------------------------------------------------


def command_line(
    command: str, positional: Iterable[str], given: Mapping[str, object], argv: Sequence[str] = ()
) -> str:
    """Return the command line, quoted for a shell, that gives `command` the arguments `given`.

    False and empty values are left out, and so are secrets in a URL. `argv` follows after --.
    """
    values = {name: value for name, value in given.items() if value}
    line = ["repoman", command]
    for name in positional:
        value = values.pop(name, [])
        line += map(str, value) if isinstance(value, list) else [str(value)]
    for name, value in values.items():
        printable = redact_url(str(value)) if name == "clone" else value
        line += _option(f"--{option_name(name)}", printable)
    return shlex.join([*line, *(["--", *argv] if argv else [])])


def _option(flag: str, value: object) -> list[str]:
    if value is True:
        return [flag]
    if isinstance(value, list):
        return [arg for one in value for arg in _option(flag, one)]
    return [f"{flag}={value}"] if str(value).startswith("-") else [flag, str(value)]

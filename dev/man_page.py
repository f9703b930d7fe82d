"""The man page, made from the tasks, the schema and the table of exit codes. No I/O."""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from invoke.collection import Collection
from invoke.parser.argument import Argument

from repoman_tasks import __released__, __version__
from repoman_tasks.cli.task import COMMON, Task
from repoman_tasks.completions.command_line import KINDS, known_commands
from repoman_tasks.model import Defaults, env_name, keys

__all__ = ["ENVIRONMENT", "EXAMPLES", "manual", "roff", "value_name"]

_NAME = "repoman - local repos, one Incus container per project, and a mirror on NFS"

_DESCRIPTION = """\
repoman gives each project an Incus container of its own, with the repo mounted at its own path, and
mirrors the repos to an NFS share by rsync. A registry knows what projects there are.

NAME is a project's. Where it stands in brackets it may be left out: it is then that whose repo you
stand in, or, for `sync` and `status`, all of them. Several commands may stand in one line; the
first that does not end with 0 ends them all.

A question is asked on a terminal only. Elsewhere, and with `--no-input`, the flag that would answer
it is named, and nothing is done.\
"""

_FILES: Mapping[str, str] = {
    "~/.config/repoman/repoman.toml": "The registry: the estate, its settings, and its projects.",
    "~/.config/repoman/locks/": "A lock for each project.",
    "~/.local/state/repoman/": "What was approved and what was seen of the repos.",
    ".repoman.toml": "In a repo: what it asks for of its container and its mirror.",
    ".repoman-share": "On the backup share: whose share it is. Nothing is written where it is not.",
    "~/.ssh/config, ~/.ssh/known_hosts": "How another host is reached, and what its key is.",
}

ENVIRONMENT: Mapping[str, str] = {
    "REPOMAN_HOST": "Stands for `--host`.",
    "REPOMAN_CONFIG": "The absolute path of the registry.",
    "REPOMAN_LOG": "The absolute path of a file that is to tell what was changed.",
    "XDG_CONFIG_HOME": "Stands for ~/.config.",
    "XDG_STATE_HOME": "Stands for ~/.local/state.",
    "XDG_DATA_HOME": "Stands for ~/.local/share, where completions are put.",
    "BASH_COMPLETION_USER_DIR": "Where those of bash are put.",
    "XDG_RUNTIME_DIR": "Never mounted into a container, as what the variables of Incus name.",
    "HOME": "The home, from which `~` in the registry is meant.",
    "SHELL": "The shell that `completion` is for.",
    "PATH": "Where rsync, git and incus are found.",
    "INCUS_DIR": "The folder of an Incus daemon other than the system's.",
    "INCUS_CONF": "The folder of the settings of incus(1).",
    "INCUS_SOCKET": "The socket of Incus, where it is elsewhere.",
    "SSH_AUTH_SOCK": "The SSH agent, to log in with and for `shell --forward-agent`.",
    "LANG": "Handed to what runs in a container, as are the two below.",
    "LC_ALL": "Stands before LANG.",
    "TERM": "What the terminal understands.",
    "NO_COLOR": "No colour, where it is set and not empty.",
    "COLUMNS": "How wide the terminal is, where that is not as it says itself.",
}
"""The variables that are read, beside those of `[defaults]`."""

EXAMPLES: Mapping[str, str] = {
    "repoman setup --local-repos ~/repos --nfs-repos /nfs/repos": "Set up this host.",
    "repoman new isurus --clone https://example.org/isurus.git": "Clone it, make its container.",
    "repoman shell isurus": "A login shell in it.",
    "repoman exec isurus -- make test": "Run words in it.",
    "repoman sync --dry-run": "What a sync would change.",
    "repoman sync --no-input": "Mirror all, from cron.",
    "repoman status --host nas": "What is wrong on another host.",
}

_SEE_ALSO = "incus(1), rsync(1), ssh_config(5), crontab(5), systemd.timer(5)"
_PAGES = "Each key of both files, and what the messages mean: README.md and docs/ of the source."


def manual(namespace: Collection, exit_codes: str) -> str:
    """The page of `namespace`; `exit_codes` is docs/exit-codes.md."""
    parts = [
        f'.\\" Made by `inv dev.man`; not to be edited.\n'
        f'.TH REPOMAN 1 {__released__} "repoman {__version__}" "User Commands"\n'
        ".nh\n.ad l",
        _section("NAME", [_text(_NAME)]),
        _section("SYNOPSIS", _synopsis(namespace)),
        _section("DESCRIPTION", _paragraphs(_DESCRIPTION)),
        _section("COMMANDS", _commands(namespace)),
        _section("COMMON OPTIONS", _common(namespace)),
        _section("EXIT STATUS", _exit_status(exit_codes)),
        _section("FILES", _listed(_FILES)),
        _section("ENVIRONMENT", _environment()),
        _section("EXAMPLES", _listed(EXAMPLES)),
        _section("SEE ALSO", [_text(_SEE_ALSO), ".PP", _text(_PAGES)]),
    ]
    return "\n".join(parts) + "\n"


# --- the sections ------------------------------------------------------------------------


def _synopsis(namespace: Collection) -> Iterator[str]:
    for name, task in sorted(namespace.tasks.items()):
        yield _usage(name, task)
        yield ".br"
    yield f"{_bold('repoman help')} {_italic('COMMAND')}"
    yield ".br"
    yield f"{_bold('repoman --help')} | {_bold('--version')}"


def _usage(name: str, task: Task[object]) -> str:
    """The words that a command takes, its flags in short."""
    argv = [_bold(f"repoman {name}")]
    for argument in task.get_arguments():
        if argument.positional:
            word = _italic(argument.names[0].upper())
            argv.append(word if task.greedy else f"[{word}]")
    argv.append(f"[{_italic('flags')}]")
    if task.takes_argv:
        argv.append(f"[{_bold('--')} {_italic('words')}]")
    return " ".join(argv)


def _commands(namespace: Collection) -> Iterator[str]:
    for name, task in sorted(namespace.tasks.items()):
        yield f".SS {_usage(name, task)}"
        yield from _paragraphs(inspect.cleandoc(task.__doc__ or ""))
        for argument in task.get_arguments():
            if argument.attr_name not in COMMON and argument.names[0] not in COMMON:
                yield from _item(_heading(argument), argument.help or "")


def _heading(argument: Argument) -> str:
    """An argument as one writes it, its short name first."""
    if argument.positional:
        return _italic(argument.names[0].upper())
    long, *short = argument.names
    value = f" {_italic(value_name(argument))}" if argument.takes_value else ""
    names = [*(f"-{name}" for name in short), f"--{long}"]
    return ", ".join(map(_bold, names)) + value


_VALUES = {"clone": "URL"}
_OF_KIND = {"folder": "DIR", "repo": "DIR", "project": "NAME"}


def value_name(argument: Argument) -> str:
    """Return the word that stands for the value of an argument."""
    name = argument.names[0]
    kind = KINDS.get(name, "")
    if kind.startswith("choice "):
        return "|".join(kind.split()[1:])
    if argument.kind in (int, float):
        return "N"
    return _VALUES.get(name) or _OF_KIND.get(kind) or name.rpartition("-")[2].upper()


def _common(namespace: Collection) -> Iterator[str]:
    some = next(iter(namespace.tasks.values()))
    yield "Every command takes these."
    for argument in some.get_arguments():
        if (argument.attr_name or argument.names[0]) in COMMON:
            yield from _item(_heading(argument), argument.help or "")
    yield from _item(_bold("--help"), "Show help, of that command.")
    yield ".PP"
    yield "These stand before the command."
    for flag in known_commands(namespace)[0].flags:
        yield from _item(", ".join(map(_bold, flag.names)), flag.help)


def _exit_status(page: str) -> Iterator[str]:
    for code, means in re.findall(r"^\| (\d+) \| (.*?) \|", page, re.MULTILINE):
        yield from _item(_bold(code), f"{means[0].upper()}{means[1:]}.")
    yield ".PP"
    yield _text(
        "`exec` and `shell` end as what ran in the container did: 128 and the number of the signal "
        "where one ended it, 125 where the container runs and could not be entered."
    )


def _environment() -> Iterator[str]:
    yield from _listed(ENVIRONMENT)
    yield ".PP"
    yield "Each of these stands for a key of [defaults] that the registry does not set."
    yield from _listed({env_name(key): key.metadata["doc"] for key in keys(Defaults)})


# --- the language of the page ------------------------------------------------------------


def _section(title: str, lines: Iterable[str]) -> str:
    return "\n".join([f".SH {title}", *lines])


def _listed(items: Mapping[str, str]) -> Iterator[str]:
    for name, text in items.items():
        yield from _item(_bold(name), text)


def _item(heading: str, text: str) -> list[str]:
    return [".TP", heading, _text(text)]


def _paragraphs(text: str) -> Iterator[str]:
    for number, paragraph in enumerate(text.split("\n\n")):
        if number:
            yield ".PP"
        yield _text(" ".join(paragraph.split()))


def _text(text: str) -> str:
    """Running text, in lines; what stands between backticks is bold."""
    pieces = text.split("`")
    marked = (_bold(piece) if n % 2 else roff(piece) for n, piece in enumerate(pieces))
    lines = textwrap.wrap("".join(marked), 90, break_long_words=False, break_on_hyphens=False)
    return "\n".join(f"\\&{line}" if line.startswith((".", "'")) else line for line in lines)


def _bold(text: str) -> str:
    return f"\\fB{roff(text)}\\fR"


def _italic(text: str) -> str:
    return f"\\fI{roff(text)}\\fR"


_SIGNS: Mapping[str, Any] = {
    "\\": "\\e",
    "-": "\\-",
    "'": "\\(aq",
    "`": "\\(ga",
    "^": "\\(ha",
    "~": "\\(ti",
    '"': "\\(dq",
}


def roff(text: str) -> str:
    """`text` so that it is shown as it is; ASCII, whatever it holds."""
    return "".join(_SIGNS.get(c, c if c.isascii() else f"\\[u{ord(c):04X}]") for c in text)

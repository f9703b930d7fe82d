"""The man page, made from the tasks, the schema and the table of exit codes. No I/O."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from invoke.collection import Collection

from repoman_tasks import __released__, __version__
from repoman_tasks.cli.command_help import CommandHelp, Option, describe_command
from repoman_tasks.cli.parser import GLOBAL_OPTIONS
from repoman_tasks.model import Defaults, env_name, keys

__all__ = ["ENVIRONMENT", "manual", "roff"]

_NAME = "repoman - local repos, one Incus container per project, and a mirror on NFS"

_DESCRIPTION = """\
repoman gives each project an Incus container of its own, with the repo mounted at the same path as
outside, and mirrors the repos to an NFS share with rsync. A registry lists the projects.

NAME is the name of a project. In brackets it is optional: the default is the project whose repo you
are in, or, for `sync` and `status`, all projects. With no arguments on a terminal, a command
prompts for what it needs. Several commands may stand in one line; the first that does not exit with
0 ends them all.

Prompts appear on a terminal only. Without one, and with `--no-input`, a command names the option
that would answer the question, and changes nothing.\
"""

_FILES: Mapping[str, str] = {
    "~/.config/repoman/repoman.toml": "The registry: settings and projects.",
    "~/.config/repoman/locks/": "A lock for each project.",
    "~/.local/state/repoman/": "Approvals, what of the repos was reviewed, and names for TAB.",
    ".repoman.toml": "In a repo: what it requests for its container and its mirror.",
    ".repoman-share": "On the backup share: whose share it is. Nothing is written without it.",
    "~/.ssh/config, ~/.ssh/known_hosts": "How to reach other hosts, and their keys.",
}

ENVIRONMENT: Mapping[str, str] = {
    "REPOMAN_HOST": "Default of `--host`.",
    "REPOMAN_CONFIG": "Absolute path of the registry.",
    "REPOMAN_LOG": "Absolute path of a file to log changes to.",
    "XDG_CONFIG_HOME": "Used in place of ~/.config.",
    "XDG_STATE_HOME": "Used in place of ~/.local/state.",
    "XDG_DATA_HOME": "Used in place of ~/.local/share, where completions are installed.",
    "BASH_COMPLETION_USER_DIR": "Folder for the completions of bash.",
    "XDG_RUNTIME_DIR": "Never mounted into a container, like the paths in the variables of Incus.",
    "HOME": "Home folder, which is `~` in the registry.",
    "SHELL": "The shell that `completion` installs for.",
    "PATH": "Where to find rsync, git and incus.",
    "INCUS_DIR": "Folder of an Incus daemon other than the system's.",
    "INCUS_CONF": "Folder of the settings of incus(1).",
    "INCUS_SOCKET": "Socket of Incus, if it is not the default one.",
    "SSH_AUTH_SOCK": "SSH agent, for logins and for `shell --forward-agent`.",
    "MONITOR_SERVICE_RESULT": "Result of a nightly sync that failed, from systemd.",
    "MONITOR_EXIT_STATUS": "Its exit status.",
    "LANG": "Passed to programs in a container, like the next two.",
    "LC_ALL": "Takes precedence over LANG.",
    "TERM": "Type of the terminal.",
    "NO_COLOR": "Disables colour if it is set and not empty.",
    "COLUMNS": "Width of the terminal, if it is not what the terminal reports.",
}
"""The variables that are read, beside those of `[defaults]`."""

_SEE_ALSO = "incus(1), rsync(1), ssh_config(5), crontab(5), systemd.timer(5)"
_PAGES = "README.md and docs/ of the source describe each key of both files, and each message."


def manual(namespace: Collection, exit_codes: str) -> str:
    """Return the page of `namespace`; `exit_codes` is docs/exit-codes.md."""
    helps = [describe_command(name, task) for name, task in sorted(namespace.tasks.items())]
    parts = [
        f'.\\" Made by `inv dev.man`; not to be edited.\n'
        f'.TH REPOMAN 1 {__released__} "repoman {__version__}" "User Commands"\n'
        ".nh\n.ad l",
        _section("NAME", [_text(_NAME)]),
        _section("SYNOPSIS", _synopsis(helps)),
        _section("DESCRIPTION", _paragraphs(_DESCRIPTION.split("\n\n"))),
        _section("COMMANDS", _commands(helps)),
        _section("COMMON OPTIONS", _common(helps[0])),
        _section("EXIT STATUS", _exit_status(exit_codes)),
        _section("FILES", _listed(_FILES)),
        _section("ENVIRONMENT", _environment()),
        _section("EXAMPLES", _examples(helps)),
        _section("SEE ALSO", [_text(_SEE_ALSO), ".PP", _text(_PAGES)]),
    ]
    return "\n".join(parts) + "\n"


# --- the sections ------------------------------------------------------------------------


def _synopsis(helps: Iterable[CommandHelp]) -> Iterator[str]:
    for about in helps:
        yield _usage(about)
        yield ".br"
    yield f"{_bold('repoman help')} {_italic('COMMAND')}"
    yield ".br"
    yield f"{_bold('repoman --help')} | {_bold('--version')}"


def _usage(about: CommandHelp) -> str:
    """Return what a command takes, its options in short."""
    argv = [_bold(f"repoman {about.name}")]
    argv += [_in_brackets(operand, _italic) for operand in about.operands]
    argv.append(f"[{_italic('options')}]")
    if about.program:
        argv.append(_in_brackets(about.program, _bold))
    return " ".join(argv)


def _in_brackets(text: str, look: Callable[[str], str]) -> str:
    """Return `text` as it looks, its brackets plain if it has some."""
    return f"[{look(text[1:-1])}]" if text.startswith("[") else look(text)


def _commands(helps: Iterable[CommandHelp]) -> Iterator[str]:
    for about in helps:
        yield f".SS {_usage(about)}"
        yield from _paragraphs(about.paragraphs)
        yield from _options((*about.arguments, *about.options))
        if about.exit_codes:
            codes = "; ".join(f"`{code}` {text}" for code, text in about.exit_codes.items())
            yield from _item("Exit status", f"{codes}.")


def _examples(helps: Iterable[CommandHelp]) -> Iterator[str]:
    for about in helps:
        yield f".SS repoman {about.name}"
        yield from _listed({line: _sentence(text) for line, text in about.examples.items()})


def _options(options: Iterable[Option]) -> Iterator[str]:
    for option in options:
        names = ", ".join(map(_bold, option.names))
        value = _italic(option.value) if option.value else ""
        yield from _item(" ".join(filter(None, (names, value))), option.text)


def _common(about: CommandHelp) -> Iterator[str]:
    yield "Every command takes these."
    yield from _options(about.common)
    yield from _item(f"{_bold('-h')}, {_bold('--help')}", "Show help, of that command.")
    yield ".PP"
    yield "These precede the command."
    yield from _listed(GLOBAL_OPTIONS)


def _exit_status(page: str) -> Iterator[str]:
    for code, means in re.findall(r"^\| (\d+) \| (.*?) \|", page, re.MULTILINE):
        yield from _item(_bold(code), _sentence(means))
    yield ".PP"
    yield _text(
        "`exec` and `shell` exit with the code of what ran in the container: 128 plus the number "
        "of a signal if one ended it, 125 if the container runs and could not be entered."
    )


def _environment() -> Iterator[str]:
    yield from _listed(ENVIRONMENT)
    yield ".PP"
    yield "Each of these is used for a key of [defaults] that the registry does not set."
    yield from _listed(
        {env_name(key): key.metadata["doc"] for key in keys(Defaults) if env_name(key)}
    )


# --- the language of the page ------------------------------------------------------------


def _section(title: str, lines: Iterable[str]) -> str:
    return "\n".join([f".SH {title}", *lines])


def _listed(items: Mapping[str, str]) -> Iterator[str]:
    for name, text in items.items():
        yield from _item(_bold(name), text)


def _item(heading: str, text: str) -> list[str]:
    return [".TP", heading, _text(text)]


def _paragraphs(paragraphs: Iterable[str]) -> Iterator[str]:
    for number, paragraph in enumerate(paragraphs):
        if number:
            yield ".PP"
        yield _text(" ".join(paragraph.split()))


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


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

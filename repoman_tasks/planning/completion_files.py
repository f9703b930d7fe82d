"""Where a shell's completion belongs, and what putting it there or taking it away changes."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from repoman_tasks.errors import UsageError
from repoman_tasks.planning.names import nearest
from repoman_tasks.planning.steps import DeleteFile, Step, WriteFile

__all__ = [
    "ACTIONS",
    "SHELLS",
    "Place",
    "check_action",
    "foreign",
    "is_ours",
    "next_words",
    "places",
    "put_steps",
    "shell_meant",
    "take_steps",
]

ACTIONS = ("install", "remove")
_FILES = {
    "bash": ("repoman", "inv"),
    "fish": ("repoman.fish", "inv.fish"),
    "zsh": ("_repoman",),  # one for both
}
SHELLS = tuple(_FILES)
_MARK = b"# repoman's completion for "


@dataclass(frozen=True)
class Place:
    """A file that a shell loads by itself, and what stands there now."""

    path: str
    yields: bool = False
    """Whether it gives way to a file of somebody else: that of `inv` does."""
    found: bytes | None = None
    ours: bool = False


def check_action(action: str | None) -> None:
    """`UsageError` where `action` is none."""
    if action not in ACTIONS:
        near = nearest(action or "", ACTIONS)
        hint = f"did you mean {near}?" if near else "`repoman completion install`, or remove"
        raise UsageError("completion needs install or remove", hint)


def shell_meant(given: str, login_shell: str) -> str:
    """The shell that a person named, or else uses; `UsageError` where it is none of the three."""
    shell = given or login_shell.rpartition("/")[2]
    if shell not in SHELLS:
        raise UsageError(
            f"there is no completion for the shell {shell!r}", f"--shell takes {', '.join(SHELLS)}"
        )
    return shell


def places(shell: str, environ: Mapping[str, str], home: str) -> list[Place]:
    """The files of a shell's completion: `repoman`'s, then that of `inv` where it is another."""
    data = _base(environ, "XDG_DATA_HOME", f"{home}/.local/share")
    if shell == "zsh":
        folder = f"{data}/zsh/site-functions"
    elif shell == "bash":
        user = _base(environ, "BASH_COMPLETION_USER_DIR", f"{data}/bash-completion")
        folder = f"{user}/completions"
    else:
        config = _base(environ, "XDG_CONFIG_HOME", f"{home}/.config")
        folder = f"{config}/fish/completions"
    first, *others = (f"{folder}/{name}" for name in _FILES[shell])
    return [Place(first), *(Place(path, yields=True) for path in others)]


def _base(environ: Mapping[str, str], variable: str, otherwise: str) -> str:
    """The folder that a variable names, where it is absolute, as its rules demand."""
    value = environ.get(variable, "")
    return value.rstrip("/") if value.startswith("/") else otherwise


def is_ours(text: bytes) -> bool:
    """Return True if `text` is a completion script of repoman, of this version or another."""
    return any(line.startswith(_MARK) for line in text.split(b"\n", 3)[:3])


def put_steps(found: Iterable[Place], text: str) -> list[Step]:
    """What has to be written so that `text` stands at each place; nothing where it does."""
    steps: list[Step] = []
    for place in found:
        if place.found == text.encode() or (place.yields and _foreign(place)):
            continue
        verb = "write" if place.found is None else "replace"
        note = ", which is not repoman's" if _foreign(place) else ""
        steps.append(WriteFile(f"{verb} {place.path}{note}", place.path, text))
    return steps


def take_steps(found: Iterable[Place]) -> list[Step]:
    """What has to be deleted; a file of somebody else stays."""
    return [DeleteFile(place.path) for place in found if place.ours]


def foreign(found: Iterable[Place]) -> list[str]:
    """The places where a file of somebody else stands."""
    return [place.path for place in found if _foreign(place)]


def _foreign(place: Place) -> bool:
    return place.found is not None and not place.ours


def next_words(shell: str, path: str) -> str:
    """What a person has to do, or to know, so that the shell loads the file at `path`."""
    if shell == "zsh":
        folder = shlex.quote(path.rpartition("/")[0])
        return f"Next: in ~/.zshrc, above compinit, fpath=({folder} $fpath); then a new zsh has it"
    if shell == "bash":
        load = f"source {shlex.quote(path)}"
        return f"A new bash has it; without the package bash-completion, with {load} in ~/.bashrc"
    return "A new fish has it"

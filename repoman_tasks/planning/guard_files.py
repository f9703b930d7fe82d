"""Files of the guard for git: the program on PATH, and what it knows. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping

from repoman_tasks.errors import Failed, Refused, UsageError
from repoman_tasks.late_dataclass import dataclass
from repoman_tasks.planning.completion_files import ACTIONS
from repoman_tasks.planning.findings import Finding
from repoman_tasks.planning.names import inside, nearest
from repoman_tasks.planning.steps import DeleteFile, Step, WriteFile

__all__ = [
    "Guard",
    "add_folders",
    "check_git_version",
    "check_guard_action",
    "folder_lines",
    "guard_findings",
    "guard_path",
    "install_guard",
    "name_lines",
    "path_hint",
    "remove_guard",
]

_OLDEST_GIT = (2, 38)
"""The first with safe.bareRepository."""


@dataclass(frozen=True)
class Guard:
    """The guard's program as it is on a host, and as it should be."""

    path: str
    text: str
    content: bytes | None = None
    """Present content; None if there is no such file."""
    mark: str = ""
    """Start of the second line of any version of it."""
    folders: tuple[str, ...] = ()
    """The folders that it guards."""

    @property
    def installed(self) -> bool:
        """Return True if this version is in its place."""
        return self.content == self.text.encode()

    @property
    def present(self) -> bool:
        """Return True if any version of it is in its place."""
        return self.content is not None and not self.foreign

    @property
    def foreign(self) -> bool:
        """Return True if another program is in its place."""
        second = (self.content or b"").split(b"\n", 2)[1:2]
        ours = any(line.startswith(self.mark.encode()) for line in second)
        return self.content is not None and not ours


def guard_path(environ: Mapping[str, str], home: str) -> str:
    """Return the path of the guard, in a folder that holds nothing else."""
    data = environ.get("XDG_DATA_HOME", "")
    return f"{data if data.startswith('/') else f'{home}/.local/share'}/repoman/bin/git"


def check_guard_action(action: str | None) -> None:
    """Raise UsageError if `action` is neither None nor one of ACTIONS."""
    if action is not None and action not in ACTIONS:
        near = nearest(action, ACTIONS)
        hint = f"did you mean {near}?" if near else "run `repoman git-guard install`, or remove"
        raise UsageError(f"git-guard has no action {action!r}", hint)


def check_git_version(text: str) -> None:
    """Raise Failed if the output of `git version` is not that of a git that the guard can use."""
    number = text.split()[2:3]
    parts = number[0].split(".")[:2] if number else []
    if len(parts) < 2 or not all(part.isdigit() for part in parts):
        raise Failed("the version of git can't be read", "install git")
    if (int(parts[0]), int(parts[1])) < _OLDEST_GIT:
        oldest = ".".join(map(str, _OLDEST_GIT))
        raise Failed(f"git {number[0]} is too old for the guard", f"install git {oldest} or newer")


def install_guard(guard: Guard) -> list[Step]:
    """Return the steps that install the guard; raise Refused if another program is there."""
    if guard.foreign:
        raise Refused(f"{guard.path} is not repoman's", "move it away")
    if guard.installed:
        return []
    verb = "write" if guard.content is None else "replace"
    return [WriteFile(f"{verb} {guard.path}", guard.path, guard.text, executable=True)]


def remove_guard(guard: Guard) -> list[Step]:
    """Return the steps that remove the guard if it is there."""
    if guard.foreign:
        raise Refused(f"{guard.path} is not repoman's", "it was left as it is")
    return [] if guard.content is None else [DeleteFile(guard.path)]


def guard_findings(guard: Guard, local_repos: str) -> list[Finding]:
    """Return a finding if the guard is of another version of repoman, or misses `local_repos`."""
    if guard.content is None or guard.foreign:
        return []
    if not guard.installed:
        what = f"{guard.path} is of another version of repoman"
    elif not any(inside(local_repos, folder) for folder in guard.folders):
        what = f"the guard for git does not know {local_repos}"
    else:
        return []
    return [Finding("git-guard", what, "run `repoman git-guard install`", kind="guard")]


def path_hint(path: str, shell: str, home: str) -> str:
    """Return what a person must do to have the guard before git on PATH, in the login `shell`."""
    folder = path.rpartition("/")[0]
    shown = f"$HOME{folder[len(home) :]}" if folder.startswith(f"{home}/") else folder
    word = f'"{shown}"' if shlex.quote(folder) == folder else shlex.quote(folder)
    name = shell.rpartition("/")[2]
    if name == "fish":
        command = f"fish_add_path --move {word}"
        return f"Next: run `{command}`, then start a new shell"
    file = "~/.zshrc" if name == "zsh" else "~/.bashrc" if name == "bash" else "~/.profile"
    line = f'PATH={word}:"$PATH"'
    return f"Next: add the line `{line}` at the end of {file}, then start a new shell"


# --- what the guard knows -------------------------------------------------------------------


def add_folders(known: Iterable[str], folders: Iterable[str]) -> tuple[str, ...]:
    """Return `known` and those of `folders` that are not inside a known one.

    Nothing is ever removed: what a container once wrote stays where it is.
    """
    result = list(known)
    for folder in sorted(set(folders)):
        valid = folder.startswith("/") and folder != "/" and folder.isprintable()
        if valid and not any(inside(folder, other) for other in result):
            result.append(folder)
    return tuple(result)


def folder_lines(folders: Iterable[str]) -> bytes:
    """Return the file of guarded folders."""
    return "".join(f"{folder}\n" for folder in folders).encode(errors="surrogateescape")


def name_lines(repos: Mapping[str, str]) -> bytes:
    """Return the file of the projects' names; `repos` maps them to the paths of their repos."""
    lines = (f"{path}\t{name}\n" for name, path in repos.items() if path.isprintable())
    return "".join(lines).encode()

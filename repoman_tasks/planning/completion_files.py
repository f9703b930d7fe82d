"""Files of the shells' completions, and the steps that install or remove them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from repoman_tasks.errors import UsageError, quoted
from repoman_tasks.late_dataclass import dataclass
from repoman_tasks.planning.names import nearest
from repoman_tasks.planning.steps import DeleteFile, Step, WriteFile

__all__ = [
    "ACTIONS",
    "SHELLS",
    "CompletionFile",
    "check_action",
    "choose_shell",
    "completion_files",
    "foreign_paths",
    "install_steps",
    "is_ours",
    "removal_steps",
    "usage_hint",
]

ACTIONS = ("install", "remove")
_FILES = {
    "bash": ("repoman", "inv"),
    "fish": ("repoman.fish", "inv.fish"),
    "zsh": ("_repoman",),  # completes inv, too
}
SHELLS = tuple(_FILES)
_MARK = b"# repoman's completion for "


@dataclass(frozen=True)
class CompletionFile:
    """File that a shell loads automatically."""

    path: str
    optional: bool = False
    """True to leave a foreign file in its place, as for `inv`."""
    content: bytes | None = None
    """Present content; None if it does not exist."""
    ours: bool = False
    """True if repoman wrote that content."""


def check_action(action: str | None) -> None:
    """Raise UsageError if `action` is not one of ACTIONS."""
    if action not in ACTIONS:
        near = nearest(action or "", ACTIONS)
        hint = f"did you mean {near}?" if near else "run `repoman completion install`, or remove"
        raise UsageError("completion needs install or remove", hint)


def choose_shell(given: str, login_shell: str) -> str:
    """Return the name of the shell `given`, or else of the login shell, which is a path.

    Raise UsageError if there is no completion for it.
    """
    shell = given or login_shell.rpartition("/")[2]
    if shell not in SHELLS:
        raise UsageError(
            f"there is no completion for the shell {shell!r}",
            f"choose another one by --shell: {', '.join(SHELLS)}",
        )
    return shell


def completion_files(shell: str, environ: Mapping[str, str], home: str) -> list[CompletionFile]:
    """Return the files of a shell's completion: that of `repoman`, then that of `inv`, if any.

    They have no content yet.
    """
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
    return [CompletionFile(first), *(CompletionFile(path, optional=True) for path in others)]


def _base(environ: Mapping[str, str], variable: str, default: str) -> str:
    """Return the value of a variable; relative ones are ignored (XDG base directories)."""
    value = environ.get(variable, "")
    return value.rstrip("/") if value.startswith("/") else default


def is_ours(text: bytes) -> bool:
    """Return True if `text` is a completion script of repoman, of this version or another."""
    return any(line.startswith(_MARK) for line in text.split(b"\n", 3)[:3])


def install_steps(files: Iterable[CompletionFile], text: str) -> list[Step]:
    """Return the steps that write `text` to those files that do not have it."""
    steps: list[Step] = []
    for file in files:
        if file.content == text.encode() or (file.optional and _is_foreign(file)):
            continue
        verb = "write" if file.content is None else "replace"
        note = ", which is not repoman's" if _is_foreign(file) else ""
        steps.append(WriteFile(f"{verb} {file.path}{note}", file.path, text))
    return steps


def removal_steps(files: Iterable[CompletionFile]) -> list[Step]:
    """Return the steps that delete those files that repoman wrote."""
    return [DeleteFile(file.path) for file in files if file.ours]


def foreign_paths(files: Iterable[CompletionFile]) -> list[str]:
    """Return the paths of existing files that repoman did not write."""
    return [file.path for file in files if _is_foreign(file)]


def _is_foreign(file: CompletionFile) -> bool:
    return file.content is not None and not file.ours


def usage_hint(shell: str, path: str) -> str:
    """Return what a person must do before the shell uses the completion at `path`."""
    if shell == "zsh":
        folder = quoted(path.rpartition("/")[0])
        line = f"fpath=({folder} $fpath)"
        return f"Next: add `{line}` to ~/.zshrc above compinit, then start a new zsh"
    if shell == "bash":
        line = f"source {quoted(path)}"
        return f"Next: start a new bash; without bash-completion, add `{line}` to ~/.bashrc first"
    return "Next: start a new fish"

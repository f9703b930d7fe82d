"""Rules for names, paths and values: of projects, their repos and their containers. Pure."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Container, Iterable

from repoman_tasks.errors import Refused, UsageError

__all__ = [
    "NAMES_NEVER_VALID",
    "RESERVED_NAMES",
    "SERVER_FOLDERS",
    "RepoFolders",
    "absolute",
    "agent_file_fault",
    "check_name",
    "check_repo",
    "image_fault",
    "inside",
    "keep_fault",
    "mount_fault",
    "nearest",
    "overlapping",
    "possible_name",
    "profile_fault",
    "real_repo",
    "relative_repo",
    "variable_fault",
    "with_parents",
]

NAMES_NEVER_VALID = frozenset(
    {
        *("adopt", "all", "completion", "default", "dev", "exec", "help", "list", "new"),
        *("remove", "repair", "restart", "setup", "shell", "start", "status", "stop", "sync"),
        *("trust", "untrust", "update", "version"),
    }
)
"""Names of commands that no registry may have as a project: `sync list` never means a project."""
RESERVED_NAMES = NAMES_NEVER_VALID | frozenset(
    {
        *("agent", "forward", "git-guard", "history", "log", "login", "nightly", "rename"),
        *("reset", "restore", "snapshot", "ssh-config", "template", "undo", "uninstall"),
        *("verify",),
    }
)
"""Names that a new project can't have: commands, present and planned. A registry may have those
that were reserved later, so that a new version of repoman does not refuse it."""

SERVER_FOLDERS = frozenset({"@eaDir", "#recycle", "#snapshot"})
"""Folders that file servers put into any folder; only they can change or delete them."""
_RESERVED_FOLDERS = (".repoman-share", ".zfs", "lost+found")
"""Prefixes of folders that a file server or repoman itself uses on a share."""

# Incus: 1 to 63 letters, digits and dashes, the first a letter, the last not a dash.
_NAME = re.compile(r"[A-Za-z](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?")


def check_name(name: str, reserved: Container[str] = RESERVED_NAMES) -> str:
    """Return `name` if it is a valid project name. Raise UsageError if not."""
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"{name!r} is not a valid project name",
            "use 1 to 63 letters, digits and dashes; begin with a letter, do not end with a dash",
        )
    if name.lower() in reserved:
        raise UsageError(
            f"{name!r} is a command, so it can't be a project name", "choose another name"
        )
    return name


def possible_name(folder: str) -> str:
    """Return the name of a project for a folder: its own, or one that resembles it."""
    plain = re.sub(r"[^A-Za-z0-9]+", "-", folder).strip("-")[:58].rstrip("-")
    tries = (folder, plain, f"repo-{plain}".rstrip("-"))
    valid = (name for name in tries if _NAME.fullmatch(name))
    return next(name for name in valid if name.lower() not in RESERVED_NAMES)


def nearest(word: str, known: Iterable[str]) -> str:
    """Return the one of `known` that is most similar to `word`, or an empty string."""
    import difflib  # late, because it is slow to import and rarely needed

    return next(iter(difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)), "")


def check_repo(repo: str) -> str:
    """Return `repo`, a path relative to local_repos, normalized. Raise UsageError if invalid."""
    plain = posixpath.normpath(_checked_path(repo)) if repo else ""
    if not plain or plain == ".":
        raise UsageError(f"repo {repo!r} is not a folder below local_repos", "name one")
    reserved = next((p for p in plain.split("/") if p.startswith(_RESERVED_FOLDERS)), None)
    if reserved:
        raise UsageError(f"repo {repo!r}: {reserved} is reserved on a share", "rename it")
    if posixpath.isabs(plain) or ".." in repo.split("/"):
        raise UsageError(
            f"repo {repo!r} is outside local_repos", "name a folder below local_repos, without .."
        )
    return plain


def _checked_path(path: str) -> str:
    """Return `path` if the registry can hold it: UTF-8 without NUL. Raise UsageError if not."""
    try:
        path.encode()
    except UnicodeEncodeError:
        raise UsageError(
            f"{path!r} is not UTF-8", "rename it, because the registry can't hold such a name"
        ) from None
    if "\0" in path:
        raise UsageError(f"{path!r} contains a NUL", "remove it")
    return path


def absolute(path: str, home: str) -> str:
    """Return `path` normalized, with a leading ~ replaced. Raise UsageError if not absolute."""
    if path == "~" or path.startswith("~/"):
        path = home + path[1:]
    if not _checked_path(path).startswith("/"):
        raise UsageError(f"{path!r} is not an absolute path", "start it with / or ~/")
    plain = posixpath.normpath(path)
    return plain[1:] if plain.startswith("//") else plain


def inside(path: str, folder: str) -> bool:
    """Return True if `path` is `folder` or inside it; both absolute or relative, normalized."""
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def relative_repo(given: str, local_repos: str, home: str) -> str:
    """Return the value of `--repo` relative to local_repos, normalized.

    A relative value is relative to local_repos already. Raise UsageError if the path is outside.
    """
    if not given.startswith(("/", "~")):
        return check_repo(given)
    path = absolute(given, home)
    if path == local_repos or not inside(path, local_repos):
        raise UsageError(
            f"{path} is not below local_repos ({local_repos})",
            "move it there, or change local_repos with `setup --local-repos DIR`",
        )
    return check_repo(posixpath.relpath(path, local_repos))


def with_parents(path: str) -> list[str]:
    """Return `path` and its parents, shortest first: a, a/b, a/b/c."""
    parts = path.split("/")
    return ["/".join(parts[: n + 1]) for n in range(len(parts))]


def overlapping(repo: str, others: Iterable[str]) -> str:
    """Return the first of `others` that equals, contains or is inside `repo`, or "".

    Overlapping repos are not allowed, because their mirrors would delete each other's files.
    """
    return next((o for o in others if inside(o, repo) or inside(repo, o)), "")


class RepoFolders:
    """The folders of many repos; finding an overlap takes no longer the more there are."""

    def __init__(self) -> None:
        self._repos: set[str] = set()
        self._first_below: dict[str, str] = {}

    def add(self, repo: str) -> None:
        """Add a folder, relative and normalized."""
        self._repos.add(repo)
        for parent in with_parents(repo)[:-1]:
            self._first_below.setdefault(parent, repo)

    def overlapping(self, repo: str) -> str:
        """Return a folder that equals, contains or is inside `repo`, or an empty string."""
        around = (folder for folder in with_parents(repo) if folder in self._repos)
        return next(around, "") or self._first_below.get(repo, "")


def real_repo(path: str, real: str, real_local_repos: str) -> str:
    """Return `real`, the real path of the repo at `path`. Raise Refused if outside local_repos."""
    if real == real_local_repos or not inside(real, real_local_repos):
        raise Refused(
            f"{path} leads to {real}, outside local_repos",
            "move the repo itself below local_repos",
        )
    return real


# --- values for a container -----------------------------------------------------------------

_IMAGE = re.compile(r"(?:[A-Za-z0-9][A-Za-z0-9._-]*:)?[A-Za-z0-9][A-Za-z0-9._+/@-]*")
_PROFILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def image_fault(image: str) -> str:
    """Return why `image` is not a valid [REMOTE:]IMAGE, or an empty string if it is."""
    return "" if _IMAGE.fullmatch(image) else "not a valid image (example: images:debian/12)"


def profile_fault(profile: str) -> str:
    """Return why `profile` is not a valid profile name, or an empty string if it is."""
    return "" if _PROFILE.fullmatch(profile) else "not a valid profile name (example: default)"


def variable_fault(name: str) -> str:
    """Return why `name` is not a valid variable name, or an empty string if it is."""
    if _VARIABLE.fullmatch(name):
        return ""
    return f"{name!r} is not a valid variable name: use letters, digits and _, no digit first"


def keep_fault(path: str) -> str:
    """Return why `path` can't be kept on a volume, or an empty string if it is below the home."""
    plain = path.removeprefix("~/")
    if plain == posixpath.normpath(plain) and not re.match(r"[/~]|\.\.?(/|$)", plain):
        return ""
    return f"{path!r} is not a folder below the home. Example: ~/.cache/pip"


def agent_file_fault(text: str) -> str:
    """Return why `text` is not a valid value of agent_files, or an empty string if it is."""
    source, colon, path = text.partition(":")
    given = [source, *([path] if colon else [])]
    if all(map(_is_normalized, given)) and (colon or source.startswith("~/")):
        return ""
    return f"{text!r} must be ~/SOURCE or SOURCE:PATH. Example: ~/.claude/CLAUDE.md"


def _is_normalized(path: str) -> bool:
    """Return True if `path` is absolute or begins with ~/, is normalized, and names no root."""
    plain = path.replace("~", "/x", 1) if path.startswith("~/") else path
    return plain.startswith("/") and plain == posixpath.normpath(plain) != "/"


def mount_fault(source: str, path: str) -> str:
    """Return why `source` can't be mounted at `path` in a container, or an empty string.

    Both must be absolute and normalized; a source may begin with ~/.
    """
    for name, value in (("source", source), ("path", path)):
        home = name == "source" and value.startswith("~/")
        plain = value.replace("~", "/x", 1) if home else value
        if not plain.startswith("/") or plain.rstrip("/") != absolute(plain, "/"):
            return f"{name} = {value!r} is not a normalized absolute path"
    if "," in source:
        what = f"source = {source!r} contains a comma"
        return f"{what}, which Incus's list of allowed folders can't hold"
    if absolute(path, "/") == "/":
        return "path = '/' would hide the container's root file system"
    return ""

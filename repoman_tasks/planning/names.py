"""What a project may be called, and where its repo may lie."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable

from repoman_tasks.errors import Refused, UsageError

__all__ = [
    "RESERVED",
    "absolute",
    "check_name",
    "check_repo",
    "image_fault",
    "inside",
    "mount_fault",
    "nearest",
    "overlapping",
    "profile_fault",
    "real_repo",
    "relative_repo",
    "variable_fault",
    "with_parents",
]

RESERVED = frozenset(
    {
        *("adopt", "all", "completion", "default", "dev", "exec", "help", "list", "new"),
        *("remove", "repair", "restart", "setup", "shell", "start", "status", "stop", "sync"),
        *("trust", "untrust", "update", "version"),
    }
)
"""Words that are commands, now or soon: `sync list` must never mean a project."""

_TAKEN = (".repoman-share", ".zfs", "lost+found")
"""Folders below local_repos whose mirrors would be in the way of what the share has there."""

# Incus: 1 to 63 letters, digits and dashes, the first a letter, the last not a dash.
_NAME = re.compile(r"[A-Za-z](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?")


def check_name(name: str) -> str:
    """Return `name` if a project may be called so; `UsageError` if not."""
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"{name!r} can't be a project's name",
            "use 1 to 63 letters, digits and dashes, a letter first, no dash last",
        )
    if name.lower() in RESERVED:
        raise UsageError(
            f"{name!r} is a command, so no project can have that name", "choose another"
        )
    return name


def nearest(word: str, known: Iterable[str]) -> str:
    """The one of `known` that `word` was probably meant to be, or an empty string."""
    import difflib  # which takes its time, and most commands have nothing to guess

    return next(iter(difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)), "")


def check_repo(repo: str) -> str:
    """Return `repo`, a folder below local_repos, in its plain form; else `UsageError`."""
    plain = posixpath.normpath(_text(repo)) if repo else ""
    if not plain or plain == ".":
        raise UsageError(f"repo {repo!r} is not a folder below local_repos", "name one")
    taken = next((p for p in plain.split("/") if p.startswith(_TAKEN)), None)
    if taken:
        raise UsageError(f"repo {repo!r}: {taken} has another meaning on a share", "rename it")
    if posixpath.isabs(plain) or ".." in repo.split("/"):
        raise UsageError(
            f"repo {repo!r} leaves local_repos", "name a folder below local_repos, without .."
        )
    return plain


def _text(path: str) -> str:
    """Return `path` if a file can name it: no NUL, and no bytes that are no UTF-8."""
    try:
        path.encode()
    except UnicodeEncodeError:
        raise UsageError(
            f"{path!r} is not UTF-8", "the registry can't name it: rename it"
        ) from None
    if "\0" in path:
        raise UsageError(f"{path!r} holds a NUL", "no file can be called so")
    return path


def absolute(path: str, home: str) -> str:
    """`path` made plain, a leading ~ replaced; `UsageError` where it is not absolute then."""
    if path == "~" or path.startswith("~/"):
        path = home + path[1:]
    if not _text(path).startswith("/"):
        raise UsageError(f"{path!r} is not an absolute path", "begin it with / or ~/")
    plain = posixpath.normpath(path)
    return plain[1:] if plain.startswith("//") else plain


def inside(path: str, folder: str) -> bool:
    """Whether the plain absolute `path` lies below `folder`, or is it."""
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def relative_repo(given: str, local_repos: str, home: str) -> str:
    """Turn what a person gave as `--repo` into the registry's form.

    A relative one is meant from local_repos, an absolute one has to lie below it.
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
    """`a`, `a/b` and `a/b/c` for `a/b/c`."""
    parts = path.split("/")
    return ["/".join(parts[: n + 1]) for n in range(len(parts))]


def overlapping(repo: str, others: Iterable[str]) -> str:
    """The one of `others` that is `repo`, lies in it or holds it, or an empty string.

    Two mirrors of one folder would delete from each other.
    """
    return next((o for o in others if inside(o, repo) or inside(repo, o)), "")


def real_repo(path: str, real: str, real_local_repos: str) -> str:
    """Return `real`, where `path` leads to, if that is the same place below local_repos.

    `Refused` when a symlink on the way leads elsewhere.
    """
    if real == real_local_repos or not inside(real, real_local_repos):
        raise Refused(
            f"{path} leads to {real}, outside local_repos",
            "put the repo itself below local_repos",
        )
    return real


# --- what a container is asked to be ------------------------------------------------------

_IMAGE = re.compile(r"(?:[A-Za-z0-9][A-Za-z0-9._-]*:)?[A-Za-z0-9][A-Za-z0-9._+/@-]*")
_PROFILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def image_fault(image: str) -> str:
    """Why `image` can't name one, or an empty string. It may have a remote before a colon."""
    return "" if _IMAGE.fullmatch(image) else "this is no image, such as images:debian/12"


def profile_fault(profile: str) -> str:
    """Why `profile` can't be the name of a profile, or an empty string."""
    return "" if _PROFILE.fullmatch(profile) else "this is no name of a profile"


def variable_fault(name: str) -> str:
    """Why `name` can't be that of an environment variable, or an empty string."""
    if _VARIABLE.fullmatch(name):
        return ""
    return f"{name!r} is no name of a variable: letters, digits and _, no digit first"


def mount_fault(source: str, path: str) -> str:
    """Why `source` can't be shown at `path` in a container, or an empty string.

    Both are plain and absolute; a source may begin with ~/.
    """
    for name, value in (("source", source), ("path", path)):
        home = name == "source" and value.startswith("~/")
        plain = value.replace("~", "/x", 1) if home else value
        if not plain.startswith("/") or plain.rstrip("/") != absolute(plain, "/"):
            return f"{name} = {value!r} is not a plain absolute path"
    if "," in source:
        return f"source = {source!r} has a comma, which Incus's list of folders can't hold"
    return "" if absolute(path, "/") != "/" else "path = '/' would hide the whole container"

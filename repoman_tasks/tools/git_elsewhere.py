"""Finds what git keeps of a repo elsewhere, so that it is not in the repo's mirror."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Sequence

from repoman_tasks.errors import Failed, quoted
from repoman_tasks.hosts.base import Future, Host, Result
from repoman_tasks.planning.mirror.left_out import NOT_MIRRORED
from repoman_tasks.planning.names import inside
from repoman_tasks.planning.text.wording import plural
from repoman_tasks.tools.regular_file import submit_head

__all__ = ["submit_elsewhere"]

_MOST_BYTES = 4096
_LFS_POINTER = re.compile(
    r"version https://git-lfs\.github\.com/spec/v1\n"
    r"oid sha256:(([0-9a-f]{2})([0-9a-f]{2})[0-9a-f]{60})\n"
)
"""Its groups are the name of the object, and those of the two folders around it."""


def submit_elsewhere(
    host: Host, repo: str, pointers: Sequence[bytes], lfs_candidates: Sequence[bytes]
) -> Future[list[str]]:
    """Ask for a warning about each of `pointers`, files in `repo`, that leads out of the repo.

    They are files of alternates, .git files, and those that mark a pack of a partial clone; see
    gitrepository-layout(5). Of `lfs_candidates` those are told that are pointers of Git LFS to what
    is not in the repo's .git.
    """
    lfs = _submit_lfs(host, repo, lfs_candidates)
    found_in = [path.decode(errors="surrogateescape") for path in pointers]
    partial = {posixpath.dirname(path) for path in found_in if path.endswith(".promisor")}
    paths = [path for path in found_in if not path.endswith(".promisor")]
    heads = {path: submit_head(host, f"{repo}/{path}", _MOST_BYTES) for path in paths}

    def wait() -> list[str]:
        found = [_partial_warning(repo, folder) for folder in sorted(partial)]
        for path, head in heads.items():
            targets = _targets(f"{repo}/{path}", _text(head))
            if any(not inside(target, repo) for target in targets):
                found.append(_warning(repo, path))
        return found + lfs.result()

    return Future(wait)


def _submit_lfs(host: Host, repo: str, candidates: Sequence[bytes]) -> Future[list[str]]:
    """Ask for a warning about the pointers of Git LFS whose object is not in .git/lfs."""
    paths = [path.decode(errors="surrogateescape") for path in candidates]
    heads = [submit_head(host, f"{repo}/{path}", _MOST_BYTES) for path in paths]

    def wait() -> list[str]:
        found = [_LFS_POINTER.match(_text(head)) for head in heads]
        pointers = {path: match for path, match in zip(paths, found, strict=True) if match}
        objects = [
            submit_head(host, f"{repo}/.git/lfs/objects/{m[2]}/{m[3]}/{m[1]}", 1)
            for m in pointers.values()
        ]
        missing = [path for path, head in zip(pointers, objects, strict=True) if not _text(head)]
        return [_lfs_warning(repo, missing)] if missing else []

    return Future(wait)


def _text(head: Future[Result]) -> str:
    """Return the content of a file, empty if it can't be read: the sync itself will report it."""
    try:
        return head.result().text
    except Failed:
        return ""


def _lfs_warning(repo: str, paths: Sequence[str]) -> str:
    files = f"the content of {paths[0]}"
    if len(paths) > 1:
        files += f" and {plural(len(paths) - 1, 'more file')}, which are pointers"
    else:
        files += ", which is a pointer"
    return (
        f"{files} of Git LFS, is not{NOT_MIRRORED}run `{quoted('git', '-C', repo, 'lfs', 'pull')}`"
    )


def _targets(path: str, text: str) -> list[str]:
    """Return the absolute paths that a file of git with this text names."""
    folder = posixpath.dirname(path)
    if path.endswith("/info/alternates"):
        folder, names = posixpath.dirname(folder), text.splitlines()
        names = [name for name in names if name and not name.startswith("#")]
    else:
        names = [text[8:].rstrip("\n")] if text.startswith("gitdir: ") else []
    return [posixpath.normpath(posixpath.join(folder, name)) for name in names]


def _warning(repo: str, path: str) -> str:
    if path.endswith("/alternates"):
        git_dir = f"{repo}/{path}".removesuffix("/objects/info/alternates")
        repack, remove = ("git", "-C", git_dir, "repack", "-a", "-d"), ("rm", f"{repo}/{path}")
        cure = f"run `{quoted(*repack)}`, then `{quoted(*remove)}`"
        return f"git objects that {path} names are outside, and not{NOT_MIRRORED}{cure}"
    return f"the git directory that {path} names is outside, and not in the mirror"


def _partial_warning(repo: str, folder: str) -> str:
    git_dir = f"{repo}/{folder}".removesuffix("/objects/pack")
    fetch = ("git", "-C", git_dir, "fetch", "--refetch", "--no-filter")
    cure = (
        f"to have all, run `{quoted(*fetch)}`, unset promisor and partialCloneFilter of the "
        f"remote, and remove *.promisor in {folder}"
    )
    return f"git objects that a partial clone left out of {folder} are not{NOT_MIRRORED}{cure}"

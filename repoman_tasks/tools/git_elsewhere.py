"""Finds what git keeps of a repo elsewhere, so that it is not in the repo's mirror."""

from __future__ import annotations

import posixpath
from collections.abc import Sequence

from repoman_tasks.errors import Failed
from repoman_tasks.hosts.base import Future, Host
from repoman_tasks.planning.names import inside
from repoman_tasks.tools.regular_file import submit_head

__all__ = ["submit_elsewhere"]

_MOST_BYTES = 4096


def submit_elsewhere(host: Host, repo: str, pointers: Sequence[bytes]) -> Future[list[str]]:
    """Ask for a warning about each of `pointers`, files in `repo`, that leads out of the repo.

    They are files of alternates, .git files, and those that mark a pack of a partial clone; see
    gitrepository-layout(5).
    """
    found_in = [path.decode(errors="surrogateescape") for path in pointers]
    partial = {posixpath.dirname(path) for path in found_in if path.endswith(".promisor")}
    paths = [path for path in found_in if not path.endswith(".promisor")]
    heads = {path: submit_head(host, f"{repo}/{path}", _MOST_BYTES) for path in paths}

    def wait() -> list[str]:
        found = [_partial_warning(folder) for folder in sorted(partial)]
        for path, head in heads.items():
            try:
                text = head.result().text
            except Failed:  # the sync itself will report it
                continue
            if any(not inside(target, repo) for target in _targets(f"{repo}/{path}", text)):
                found.append(_warning(path))
        return found

    return Future(wait)


def _targets(path: str, text: str) -> list[str]:
    """Return the absolute paths that a file of git with this text names."""
    folder = posixpath.dirname(path)
    if path.endswith("/info/alternates"):
        folder, names = posixpath.dirname(folder), text.splitlines()
        names = [name for name in names if name and not name.startswith("#")]
    else:
        names = [text[8:].rstrip("\n")] if text.startswith("gitdir: ") else []
    return [posixpath.normpath(posixpath.join(folder, name)) for name in names]


def _warning(path: str) -> str:
    if path.endswith("/alternates"):
        cure = "run `git repack -a -d` in that repo, then remove the file"
        return f"git objects that {path} names are outside, and not in the mirror: {cure}"
    return f"the git directory that {path} names is outside, and not in the mirror"


def _partial_warning(folder: str) -> str:
    cure = (
        "to have all, run `git fetch --refetch --no-filter` in that repo, unset promisor and "
        "partialCloneFilter of the remote, and remove *.promisor there"
    )
    return f"git objects that a partial clone left out of {folder} are not in the mirror: {cure}"

"""Checks git objects in a mirror by their names, which are hashes of their contents.

The host's git does so with a repository of its own, which has no objects and a plain configuration:
of the mirror it reads the objects only, and neither its configuration nor its hooks.
"""

from __future__ import annotations

import posixpath

from repoman_tasks.errors import Failed
from repoman_tasks.hosts.base import WALK_SECONDS
from repoman_tasks.tools.share import Share

__all__ = ["check_objects"]

_MOST_LINES = 20
"""The most complaints to keep."""
_NOT_FOUND = 127
_CLEAN = ("GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null")
_FSCK = ("git", "fsck", "--full", "--no-dangling", "--no-reflogs", "--no-progress")
_IGNORED = ("error in ", "error: object directory ")
"""Complaints of fsck to ignore: of what git would not write today, but reads; and of a repo to
borrow objects from that is not here."""


def check_objects(share: Share, git_dir: str, folder: str, stall_seconds: float) -> list[str]:
    """Return git's complaints about objects of the git directory at `git_dir` on the share.

    `folder` is for repositories of repoman's own, on the same host. Raise Failed if git can't be
    run, Stalled after `stall_seconds` without progress.
    """
    objects = posixpath.join(share.root, git_dir, "objects")
    if share.read(["test", "-d", objects]).code:
        return []  # excluded from the mirror
    blocking = _blocking_link(share, objects)
    if blocking:
        return [f"objects not checked: {blocking} leads to a FIFO, socket or device"]
    found: list[bytes] = []

    def see(line: bytes) -> None:
        if line.startswith((b"error", b"fatal")) and len(found) < _MOST_LINES:
            found.append(line)

    own = _own_repository(share, git_dir, folder)
    argv = ["env", *_CLEAN, f"GIT_DIR={own}", f"GIT_OBJECT_DIRECTORY={objects}", *_FSCK]
    code = share.host.stream(argv, see, see, stall_seconds=stall_seconds, changes=False)
    if code == _NOT_FOUND:
        raise Failed("git is not installed, so git objects can't be checked", "install git")
    lines = [line.decode(errors="replace") for line in found] if code else []
    told = [line for line in lines if not line.startswith(_IGNORED)]
    if code < 0 or code > 128:
        raise Failed(f"git ended with status {code}", "; ".join(told))
    return [line.replace(f"{share.root}/", "") for line in told]


def _blocking_link(share: Share, objects: str) -> str:
    """Return the path in the mirror of a link in `objects` that git might read for ever, or ""."""
    argv = ["find", objects, "-type", "l", "(", "-false"]
    for kind in "pscb":
        argv += ["-o", "-xtype", kind]
    found = share.read([*argv, ")", "-printf", r"%p\n", "-quit"], WALK_SECONDS).text
    return found.rstrip("\n").removeprefix(f"{share.root}/")


def _own_repository(share: Share, git_dir: str, folder: str) -> str:
    """Return the path of an empty repository with the hash of the one at `git_dir`; make it."""
    config = posixpath.join(share.root, git_dir, "config")
    sha256 = (
        share.read(
            ["grep", "-qiE", "-D", "skip", r"^\s*objectformat\s*=\s*sha256", "--", config]
        ).code
        == 0
    )
    kind = "sha256" if sha256 else "sha1"
    path = f"{folder}/objects-{kind}.git"
    init = ["git", "init", "--quiet", "--bare", "--template=", f"--object-format={kind}", path]
    made = share.host.change(["env", *_CLEAN, *init])
    if made.code:
        raise Failed(f"{path} can't be created", made.complaint)
    return path

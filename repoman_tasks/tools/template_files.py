"""The files of templates: in a folder beside the registry, and from there into a container."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from hashlib import sha256

from repoman_tasks.errors import Failed, Refused, UsageError
from repoman_tasks.hosts.base import Host
from repoman_tasks.planning.names import inside
from repoman_tasks.tools.forbidden_paths import real_paths
from repoman_tasks.tools.guest import DELAY, GuestHandle

__all__ = ["copy_template_files", "digest_of_files"]

_SECONDS = 600.0

_PLACE = (
    DELAY
    + r"""
staged=$1 from="$1/$2" to=$3
chown -Rh 0:0 "$staged" && mkdir -p -- "${to%/*}/" &&
    if [ -d "$from" ]; then mkdir -p -- "$to" && cp -pR -- "$from/." "$to/"
    else cp -p -- "$from" "$to"; fi
code=$?
rm -rf -- "$staged"
exit $code
"""
)
"""Copies what was staged, as root's, to a path. Arguments: the folder, the name in it, the path."""


def digest_of_files(host: Host, folder: str, files: Sequence[str]) -> str:
    """Return a digest of names, modes and contents of `files` in `folder`; empty if none.

    Raise UsageError for one that does not exist, and Refused for one that leads out of the folder.
    """
    if not files:
        return ""
    paths = _paths(host, folder, files)
    listed = host.read(["find", *paths, "-printf", r"%y %m %p %l\0"])
    contents = host.read(
        ["find", *paths, "-type", "f", "-exec", "sha256sum", "-z", "--", "{}", "+"]
    )
    for result in (listed, contents):
        if result.code:
            raise UsageError("files of a template can't be read", result.complaint)
    lines = sorted(listed.out.split(b"\0")) + sorted(contents.out.split(b"\0"))
    return sha256(b"\0".join(lines)).hexdigest()[:24]


def _paths(host: Host, folder: str, files: Sequence[str]) -> list[str]:
    given = [f"{folder}/{text.partition(':')[0]}" for text in files]
    base, *real = real_paths(host, [folder, *given])
    for path, resolved in zip(given, real, strict=True):
        if not inside(resolved, base):
            raise Refused(f"{path} leads to {resolved}, outside of {base}", "move the file there")
    return real


def copy_template_files(handle: GuestHandle, folder: str, files: Sequence[str]) -> None:
    """Copy `files` from `folder` of the host into a running container, where root owns them."""
    host = handle.incus.host
    for path, text in zip(_paths(host, folder, files), files, strict=True):
        staged = f"/tmp/repoman-files-{uuid.uuid4().hex}"  # every image has /tmp
        pushed = host.change(handle.incus.push_argv(handle.name, path, staged), timeout=_SECONDS)
        if pushed.code:
            raise Failed(f"{path} can't be copied into the image", pushed.complaint)
        name, target = path.rpartition("/")[2], text.partition(":")[2]
        placed = handle.run(_PLACE, staged, name, target, seconds=_SECONDS)
        if placed.code:
            raise Failed(f"{path} can't be copied to {target} in the image", placed.complaint)

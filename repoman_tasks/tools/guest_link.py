"""Gives a container the path of local_repos that a person types, if that is a symlink."""

from __future__ import annotations

from repoman_tasks.errors import Failed
from repoman_tasks.tools.guest import GuestHandle

__all__ = ["link_repos"]

_LINK = r"""
typed=$1 real=$2 uid=$3 gid=$4 home=$5
[ ! -e "$typed" ] && [ ! -L "$typed" ] || exit 0
parent=${typed%/*}
if [ -n "$parent" ] && [ ! -d "$parent" ]; then
    mkdir -p -- "$parent" || exit 1
    case $parent in "$home"/*) chown -- "$uid:$gid" "$parent" ;; esac
fi
ln -s -- "$real" "$typed" && chown -h -- "$uid:$gid" "$typed"
"""
"""Creates a symlink, unless something is at its path."""


def link_repos(handle: GuestHandle, typed: str, real: str) -> None:
    """Make `typed` in the container a symlink to `real`, the folder of the repos; again is nothing.

    Raise Failed if that is impossible.
    """
    if not typed or typed == real:
        return
    person = handle.person
    result = handle.settle(_LINK, typed, real, str(person.uid), str(person.gid), person.home)
    if result.code:
        raise Failed(f"{typed} can't be linked in {handle.name}", result.complaint)

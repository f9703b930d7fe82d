"""The person's preferences in a new container: the time zone, and the name for commits in git.

The packages that it has at that time are noted for `reset`, in the same call.
"""

from __future__ import annotations

import base64
import contextlib

from repoman_tasks.errors import Failed
from repoman_tasks.hosts.base import Future, Host, Result
from repoman_tasks.planning.container.git_identity import git_identity_file
from repoman_tasks.tools.guest import AS_USER, GuestHandle
from repoman_tasks.tools.guest_name import SET_NAME

__all__ = ["LIST_PACKAGES", "PACKAGES_FILE", "Preferences", "set_preferences"]

_ZONE = "/etc/localtime"
_MOST_BYTES = 16 << 10
"""Limit of a file with a time zone; the largest one takes 4 KiB."""

PACKAGES_FILE = "/var/cache/repoman-packages"
"""Path inside of the list of the packages that a container had from the start."""

LIST_PACKAGES = r"""
list_packages() {
    dpkg-query -W -f '${Package}\n' 2>/dev/null || rpm -qa --qf '%{NAME}\n' 2>/dev/null ||
        apk info -q 2>/dev/null || pacman -Qq 2>/dev/null || :
}
"""
"""Defines a function that prints the packages that are installed, one a line."""

_SET = (
    LIST_PACKAGES
    + SET_NAME
    + r"""
packages=$1 host=$2; shift 2
[ -z "$host" ] || set_name "$host"
[ -e "$packages" ] || { mkdir -p "${packages%/*}" && list_packages >"$packages"; } 2>/dev/null
name=$1 uid=$2 gid=$3 home=$4 data=$5 identity=$6
new=/etc/localtime.repoman
if [ -n "$data" ] && command -v base64 >/dev/null 2>&1; then
    printf %s "$data" | base64 -d >"$new" && mv -f "$new" /etc/localtime && rm -f /etc/timezone
    rm -f "$new"
fi
for file in "$home/.gitconfig" "$home/.config/git/config"; do
    [ ! -e "$file" ] && [ ! -L "$file" ] || identity=
done
[ -n "$identity" ] || exit 0
export HOME="$home"
set -- sh -c 'set -C; printf %s "$1" >"$HOME/.gitconfig"' sh "$identity"
"""
    + AS_USER
)
"""Notes the packages, sets the host name, replaces the time zone, and writes git's configuration of
the user if there is none."""


class Preferences:
    """The preferences of the person on the host, asked for when this is made."""

    def __init__(self, host: Host) -> None:
        keys = r"^user\.(name|email)$"
        # Not --global: that reads one of two files, and no file that one of them includes.
        argv = ["git", "-C", "/", "config", "--includes", "--null", "--get-regexp", keys]
        self._zone = host.submit(["head", "-c", str(_MOST_BYTES), "--", _ZONE])
        self._git = host.submit(argv)

    def zone(self) -> str:
        """Return the time zone as base64 of tzfile(5); empty if the host has none."""
        found = _output(self._zone)
        return base64.b64encode(found).decode() if found.startswith(b"TZif") else ""

    def identity(self) -> str:
        """Return a configuration of git with the person's name and e-mail; empty if unknown."""
        return git_identity_file(_output(self._git).decode(errors="replace"))


def _output(answer: Future[Result]) -> bytes:
    with contextlib.suppress(Failed):  # without it a container works, too
        result = answer.result()
        return b"" if result.code else result.out
    return b""


def set_preferences(handle: GuestHandle, preferences: Preferences, *, named: bool) -> None:
    """Give a new container the person's time zone, and name and e-mail in git.

    Unless it is `named` already, its host name becomes its name. What the user has there already
    stays. Nothing fails for it.
    """
    person = handle.person
    who = (person.name, str(person.uid), str(person.gid), person.home)
    with contextlib.suppress(Failed):
        name = "" if named else handle.name
        handle.settle(_SET, PACKAGES_FILE, name, *who, preferences.zone(), preferences.identity())

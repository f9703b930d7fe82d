"""Sets up a project's volume from inside its container, where it is mounted.

The script is a constant; names are arguments. Root of the container owns all that it works on, so
nothing that it finds there is believed, and nothing of it reaches the host.
"""

from __future__ import annotations

from collections.abc import Sequence

from repoman_tasks.errors import Failed, quoted
from repoman_tasks.hosts.base import Future
from repoman_tasks.planning.container.agents import (
    SETTINGS_PATH,
    VOLUME_PATH,
    first_start_settings,
)
from repoman_tasks.tools.guest import AS_USER, GuestHandle
from repoman_tasks.tools.guest_name import RESOLVE_NAME

__all__ = ["set_up_volume", "submit_volume_check"]

_CHECK_SECONDS = 20.0
_SECONDS = 600.0
"""Time limit: a folder that is kept may have to be copied."""

_SET_UP = (
    RESOLVE_NAME
    + r"""
volume=$1 name=$2 uid=$3 gid=$4 home=$5 script=$6; shift 6
mounted=no
while read -r _ path _; do [ "$path" != "$volume" ] || mounted=yes; done </proc/self/mounts
[ "$mounted" = yes ] || exit 0
chown "$uid:$gid" "$volume" && chmod 700 "$volume" || exit 1
export HOME="$home"
set -- sh -c "$script" sh "$volume" "$@"
"""
    + AS_USER
)
"""Has the host name found, gives the volume to the user and runs the script as that user. If the
volume is not mounted, does nothing with it: what it wrote would be hidden later."""

_ARRANGE = r"""
volume=$1 settings=$2 first=$3; shift 3
umask 077
cd -- "$HOME" || exit 1
home=$(pwd -P)
is_near_a_mount() {
    while read -r _ where _; do
        case $where in *\\*) where=$(printf '%b' "$where") ;; esac
        case $where in "$home"/*) ;; *) continue ;; esac
        case $1/ in "$where"/*) return 0 ;; esac
        case $where/ in "$1"/*) return 0 ;; esac
    done </proc/self/mounts
    return 1
}
while [ "$1" != -- ]; do mkdir -p -- "$volume/$1" || exit 1; shift; done
shift
[ -e "$volume/history" ] || : >"$volume/history"
if [ -n "$first" ] && [ ! -e "$settings" ] && [ ! -L "$settings" ]; then
    printf '%s\n' "$first" >"$settings.part" && mv -- "$settings.part" "$settings" || exit 1
fi
code=0
mkdir -p -- "$volume/keep" || exit 1
while [ $# -gt 0 ]; do
    path=$1 kept="$volume/keep/$2"; shift 2
    case $path in */*) mkdir -p -- "${path%/*}" || { code=1; continue; } ;; esac
    [ ! -e "$kept" ] || [ "$(cd -- "$path" 2>/dev/null && pwd -P)" != "$kept" ] || continue
    case $path in */*) parent=$(cd -- "${path%/*}" && pwd -P) ;; *) parent=$home ;; esac
    if is_near_a_mount "$parent/${path##*/}"; then
        echo "$path holds a mounted folder, or is in one: it can't be kept" >&2
        code=1
        continue
    fi
    if [ -d "$path" ] && [ ! -L "$path" ] && [ ! -e "$kept" ]; then
        rm -rf -- "$kept.part"
        cp -a -- "$path" "$kept.part" && mv -- "$kept.part" "$kept" || { code=1; continue; }
        rm -rf -- "$path"
    fi
    mkdir -p -- "$kept" || exit 1
    if [ -e "$path" ] || [ -L "$path" ]; then
        if [ -L "$path" ] || ! rmdir -- "$path" 2>/dev/null; then
            if [ -e "$path.before-keep" ]; then
                echo "$path and $path.before-keep exist both: move one away" >&2
                code=1
                continue
            fi
            mv -- "$path" "$path.before-keep" || { code=1; continue; }
        fi
    fi
    ln -s -- "$kept" "$path" || code=1
done
exit $code
"""
"""Writes the settings of a first start, if there are none; creates the folders before `--` on the
volume, and makes each folder after it in the home a link to the one on the volume that the next
argument names. What is in such a folder is moved there once; if the volume has one already, the
folder is renamed, and nothing is overwritten. A folder with a mount in it, such as the repo, is
left alone: to move it would delete what is mounted."""

_CHECK = r"""
volume=$1 home=$2; shift 2
while [ $# -gt 0 ]; do
    [ "$(cd -- "$home/$1" 2>/dev/null && pwd -P)" = "$volume/keep/$2" ] || exit 1
    shift 2
done
"""


def _pairs(kept: Sequence[str]) -> list[str]:
    """Return each of the paths, followed by its name on the volume, which no other one contains."""
    return [word for path in kept for word in (path, path.replace("/", "%"))]


def submit_volume_check(handle: GuestHandle, kept: Sequence[str]) -> Future[bool]:
    """Ask if each of the `kept` folders is a link to the volume; nothing is written."""
    argv = handle.argv(_CHECK, VOLUME_PATH, handle.person.home, *_pairs(kept))
    checked = handle.incus.host.submit_beside(argv, timeout=_CHECK_SECONDS)
    return checked.then(lambda result: result.code == 0)


def set_up_volume(
    handle: GuestHandle, folders: Sequence[str], kept: Sequence[str], repo: str
) -> None:
    """Give the volume to the user, with agents' `folders`, and link the `kept` folders to it.

    As each start does so, this also has the container's own name found in there.
    The first start of an agent in `repo`, if given, is prepared. Do nothing for what is done
    already. Raise Failed if something can't be done.
    """
    person = handle.person
    who = (person.name, str(person.uid), str(person.gid), person.home)
    settings = (SETTINGS_PATH, first_start_settings(repo) if repo else "")
    words = (VOLUME_PATH, *who, _ARRANGE, *settings, *folders, "--", *_pairs(kept))
    result = handle.settle(_SET_UP, *words, seconds=_SECONDS)
    if result.code:
        raise Failed(
            f"the volume of {handle.name} can't be set up: {result.complaint}",
            f"look at {VOLUME_PATH} and the home in it, "
            f"then run `repoman update {quoted(handle.name)}`",
        )

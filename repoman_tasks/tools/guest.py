"""What runs inside a container: looking, arranging the user, proving the mount, and entering.

The scripts are constant and POSIX; names, paths and words come as their arguments, never as
text of theirs. What they print comes from a place that may be hostile: it is bounded, and read
strictly.
"""

from __future__ import annotations

import posixpath
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from repoman_tasks.errors import Failed
from repoman_tasks.hosts.base import Future, Result
from repoman_tasks.model import Person
from repoman_tasks.planning.container.user_files import (
    UserChanges,
    UserFiles,
    parse_user_files,
    plan_user,
)
from repoman_tasks.tools.incus import Incus

__all__ = [
    "GuestHandle",
    "arrange",
    "carry_in",
    "enter_argv",
    "prove",
    "submit_check",
    "submit_user_check",
    "wait_until_up",
]

_SECONDS = 20.0
_UP_SECONDS = 180.0
_MOST_BYTES = 1 << 20

_HEARD = "sleep 0.05 2>/dev/null\n"
"""Begins each script whose words have to arrive. A client of Incus built with a gorilla/websocket
older than 1.5.1, as Debian 12's backport is, drops what a program said that ends before the client
has answered the first ping of its connections: on a busy host 3 of 100 lost all of it, with this
none of 400."""

_LOOK = (
    _HEARD
    + r"""
for file in passwd group shadow; do cat "/etc/$file" 2>/dev/null; printf '\0'; done
for shell do [ -x "$shell" ] && printf '%s ' "$shell"; done; printf '\0'
stat -c %u -- "$HOME" 2>/dev/null | tr -d '\n'; printf '\0'
[ -d /etc/sudoers.d ] && [ ! -e /etc/sudoers.d/90-repoman ] && printf yes; printf '\0'
"""
)
"""What `planning.guest.read_guest` reads. Arguments: shells; HOME is the one to look at."""

_ARRANGE = r"""
set -eu
uid=$1 gid=$2 home=$3 name=$4 makehome=$5 sudo=$6; shift 6
put() {
    [ -n "$2" ] || return 0
    [ ! -e "$1" ] || cp -p "$1" "$1.repoman"
    printf '%s' "$2" >"$1.repoman"
    mv -f "$1.repoman" "$1"
}
umask 077
put /etc/shadow "$3"
umask 022
put /etc/group "$2"
put /etc/passwd "$1"
if [ "$makehome" = yes ]; then
    mkdir -p -- "$home"
    if [ -d /etc/skel ]; then
        for file in /etc/skel/.[!.]* /etc/skel/*; do
            [ -e "$file" ] && [ ! -e "$home/${file##*/}" ] || continue
            cp -R "$file" "$home/"
            chown -R "$uid:$gid" "$home/${file##*/}"
        done
    fi
    chown "$uid:$gid" "$home"
fi
if [ "$sudo" = yes ]; then
    umask 226
    printf '%s ALL=(ALL:ALL) NOPASSWD: ALL\n' "$name" >/etc/sudoers.d/90-repoman
fi
"""

_ENTER = (
    _HEARD
    + r"""
name=$1 uid=$2 gid=$3 home=$4 dir=$5 lang=$6 how=$7 secrets=$8; shift 8
while IFS=: read -r n _ u _ _ _ shell; do
    [ "$n" = "$name" ] && [ "$u" = "$uid" ] && break
    shell=
done </etc/passwd
if [ -z "$shell" ]; then
    echo "repoman: the container has no user $name of uid $uid: \`repoman update\` makes one" >&2
    exit 125
fi
[ -x "$shell" ] || shell=/bin/sh
if ! cd -- "$dir"; then
    echo "repoman: $dir is not there in the container: \`repoman status\` tells more" >&2
    exit 125
fi
if [ -n "$secrets" ]; then
    while IFS= read -r line; do export "$line"; done <"/run/repoman/$secrets"
    rm -f "/run/repoman/$secrets"
fi
export HOME="$home" USER="$name" LOGNAME="$name" SHELL="$shell"
case $lang in
'') ;;
C|POSIX|C.UTF-8|C.utf8) export LANG="$lang" ;;
*) case $(LC_ALL=$lang locale charmap 2>&1) in
    UTF-8) export LANG="$lang" ;;
    *) export LANG=C.UTF-8 ;;
    esac ;;
esac
case $how in
login) set -- "$shell" -l ;;
through) set -- /bin/sh -lc 'exec "$@"' sh "$@" ;;
esac
case $(setpriv --help 2>&1) in
*--init-groups*) exec setpriv --reuid="$uid" --regid="$gid" --init-groups -- "$@" ;;
esac
exec su -p -s /bin/sh -c 'exec "$@"' -- "$name" sh "$@"
"""
)
"""Becomes the user, in the folder, with the groups that a login has, and runs the words."""

_PUT = 'umask 077; mkdir -p /run/repoman && cat >"/run/repoman/$1"'

_PROVE = r"""
file=.repoman-proof.$$
(umask 077 && : >"$file") && rm -f -- "$file" && stat -c %i .
"""
"""Prints the inode of the folder, after something was written there and removed."""

_UP = r"""
if command -v cloud-init >/dev/null 2>&1; then cloud-init status --wait >/dev/null 2>&1; fi
command -v systemctl >/dev/null 2>&1 || exit 0
systemctl is-system-running --wait 2>/dev/null
"""


@dataclass(frozen=True)
class GuestHandle:
    """A container and the user in it."""

    incus: Incus
    name: str
    person: Person

    def run(self, script: str, *arguments: str, seconds: float = _SECONDS) -> Result:
        """Run a script as root inside, under a time limit; what it prints is bounded."""
        argv = self.argv(script, *arguments)
        return self.incus.host.change(argv, timeout=seconds, most=_MOST_BYTES)

    def argv(self, script: str, *arguments: str, options: Sequence[str] = ()) -> list[str]:
        """The words that run it."""
        inner = ["sh", "-c", script, "sh", *arguments]
        return self.incus.exec_argv(self.name, inner, "--disable-stdin", *options)


def wait_until_up(handle: GuestHandle) -> None:
    """Wait until what the image starts by itself has started, or given up."""
    for _ in range(50):  # until there is a PID 1 to ask
        result = handle.run(_UP, seconds=_UP_SECONDS)
        state = result.text.strip()
        if not result.code or state not in ("", "offline", "unknown", "initializing"):
            return
        handle.incus.host.read(["sleep", "0.1"])


def arrange(handle: GuestHandle) -> bool:
    """Make the user inside the same as outside; False where nothing had to be done."""
    found = plan_user(_submit_look(handle).result(), handle.person)
    if found.empty:
        return False
    _carry_out(handle, found)
    return True


def submit_user_check(handle: GuestHandle) -> Future[bool]:
    """Ask whether the user inside is the same as outside."""
    return _submit_look(handle).then(lambda found: plan_user(found, handle.person).empty)


def _submit_look(handle: GuestHandle) -> Future[UserFiles]:
    home = f"HOME={handle.person.home}"
    shells = (handle.person.shell, "/bin/bash", "/bin/sh")
    argv = handle.argv(_LOOK, *shells, options=["--env", home])

    def found(result: Result) -> UserFiles:
        if result.code > 1:
            raise Failed(f"the users in {handle.name} can't be read", result.complaint)
        return parse_user_files(result.out)

    return handle.incus.host.submit(argv, timeout=_SECONDS, most=_MOST_BYTES).then(found)


def _carry_out(handle: GuestHandle, todo: UserChanges) -> None:
    person = handle.person
    flags = ["yes" if flag else "no" for flag in (todo.home, todo.sudo)]
    who = [str(person.uid), str(person.gid), person.home, person.name]
    texts = [todo.passwd, todo.group, todo.shadow]
    if max(map(len, texts)) > _MOST_BYTES >> 4:
        raise Failed(f"the databases of users in {handle.name} are too long", "look into it")
    result = handle.run(_ARRANGE, *who, *flags, *texts)
    if result.code:
        raise Failed(f"the user {person.name} can't be arranged in {handle.name}", result.complaint)


def prove(handle: GuestHandle, path: str) -> None:
    """Show that the user can write the repo from inside, and that it is the one at `path`.

    `Failed` where not.
    """
    outside = handle.incus.host.read(_inode_argv(path)).text.strip()
    argv = _entering(handle, path, "plain", ["sh", "-c", _PROVE], "")
    inner = handle.incus.exec_argv(handle.name, argv, "--disable-stdin")
    result = handle.incus.host.change(inner, timeout=_SECONDS, most=_MOST_BYTES)
    if result.code or not outside or result.text.strip() != outside:
        why = result.complaint if result.code else _other(result.text)
        raise Failed(f"{handle.person.name} can't write {path} from inside {handle.name}", why)


def _other(said: str) -> str:
    return "another folder is there" if said.strip() else "what runs inside says nothing"


def submit_check(handle: GuestHandle, path: str) -> Future[str]:
    """Ask what is wrong inside with the mount and the user, if anything. Writes nothing."""
    argv = _entering(handle, path, "plain", ["stat", "-c", "%i", "."], "")
    inner = handle.incus.exec_argv(handle.name, argv, "--disable-stdin")
    inside = handle.incus.host.submit_beside(inner, timeout=_SECONDS)
    outside = handle.incus.host.submit(_inode_argv(path))

    def wrong(result: Result) -> str:
        if result.code:
            return result.complaint.removeprefix("repoman: ")
        same = result.text.strip() == outside.result().text.strip()
        return "" if same else f"inside, {path} is another folder"

    return inside.then(wrong)


def _inode_argv(path: str) -> list[str]:
    return ["stat", "-c", "%i", "--", path]


def carry_in(handle: GuestHandle, secrets: Mapping[str, str]) -> str:
    """Put variables where entering takes them from, and removes them; the name of that place.

    They go through standard input: never into words, which others see in the list of
    processes, nor into Incus's configuration or repoman's output.
    """
    name = uuid.uuid4().hex
    text = "".join(f"{key}={value}\n" for key, value in secrets.items())
    argv = handle.incus.exec_argv(handle.name, ["sh", "-c", _PUT, "sh", name])
    given = text.encode(errors="surrogateescape")
    result = handle.incus.host.change(argv, timeout=_SECONDS, given=given)
    if result.code:
        raise Failed(f"secrets can't be put into {handle.name}", result.complaint)
    return name


def enter_argv(
    handle: GuestHandle,
    folder: str,
    argv: Sequence[str],
    *,
    login: bool,
    terminal: str,
    lang: str,
    secrets: str = "",
) -> list[str]:
    """The words that enter `folder` of a container as its user, and run `argv` there.

    `login` is through the login shell: that itself where there are no words. `terminal` is
    the kind of terminal, TERM, where there is one, and `secrets` what `carry_in` put there.
    """
    how = ("through" if argv else "login") if login else "plain"
    options = ["--env", f"TERM={terminal}"] if terminal else []
    inner = _entering(handle, folder, how, argv, lang, secrets)
    return handle.incus.exec_argv(handle.name, inner, *options)


def _entering(
    handle: GuestHandle, folder: str, how: str, argv: Sequence[str], lang: str, secrets: str = ""
) -> list[str]:
    person = handle.person
    ids = (person.name, str(person.uid), str(person.gid))
    where = (person.home, posixpath.normpath(folder), lang, how, secrets)
    return ["sh", "-c", _ENTER, "sh", *ids, *where, *argv]

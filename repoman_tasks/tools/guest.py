"""Scripts that run inside a container: set up its user, check the mount of the repo, enter it.

The scripts are constants in POSIX sh. Names and paths are passed as arguments, never pasted into
a script. A container may be hostile, so the output is limited in size and parsed strictly.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Mapping, Sequence

from repoman_tasks.errors import Failed, quoted
from repoman_tasks.hosts.base import Future, Host, Result, TimedOut
from repoman_tasks.late_dataclass import dataclass
from repoman_tasks.model import Person
from repoman_tasks.planning.container.agents import SETTINGS_PATH, first_start_settings
from repoman_tasks.planning.container.user_files import (
    UserChanges,
    UserFiles,
    parse_user_files,
    plan_user,
)
from repoman_tasks.tools.git_hint import INSTALL_HINT
from repoman_tasks.tools.incus import Incus

__all__ = [
    "AS_USER",
    "DELAY",
    "GuestHandle",
    "Look",
    "check_repo_writable",
    "enter_argv",
    "set_up_user",
    "stage_secrets",
    "submit_check",
    "submit_user_check",
    "wait_until_up",
]

_SECONDS = 20.0
_UP_SECONDS = 180.0
_MOST_BYTES = 1 << 20

_NO_PROGRAM = 127
"""Exit status of `incus exec` if the container has no such program."""

DELAY = "sleep 0.05 >/dev/null 2>&1 &\ntrap wait EXIT\n"
"""Begins each script whose output is needed: it does not end before the sleep has. An Incus client
built with gorilla/websocket before 1.5.1, such as Debian 12's backport, loses the output of a
program that ends before the client has answered the first ping of its connections: on a busy host
3 of 100 runs lost all of it, with this delay none of 400."""

_PRINT_USERS = r"""
home=$1; shift
for file in passwd group shadow; do cat "/etc/$file" 2>/dev/null; printf '\0'; done
for shell do [ -x "$shell" ] && printf '%s ' "$shell"; done; printf '\0'
stat -c %u -- "$home" 2>/dev/null | tr -d '\n'; printf '\0'
[ -d /etc/sudoers.d ] && [ ! -e /etc/sudoers.d/90-repoman ] && printf yes; printf '\0'
"""
"""Prints what `parse_user_files` parses. Arguments: the home to check, and the shells."""
_READ_USERS = DELAY + _PRINT_USERS

_SET_UP_USER = r"""
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
    printf '#%s ALL=(ALL:ALL) NOPASSWD: ALL\n' "$uid" >/etc/sudoers.d/90-repoman
fi
"""

AS_USER = r"""
help=$(setpriv --help 2>&1)
wait
case $help in
*--init-groups*) exec setpriv --reuid="$uid" --regid="$gid" --init-groups -- "$@" ;;
esac
exec su -p -s /bin/sh -c 'exec "$@"' -- "$name" sh "$@"
"""
"""Ends a script of root: becomes the user $name of $uid and $gid, and runs "$@" after its
DELAY, if it has one."""

_ENTER_AT_ONCE = (
    r"""
name=$1 uid=$2 gid=$3 home=$4 dir=$5 lang=$6 mode=$7 secrets=$8 repo=$9; shift 9
identity=$1 restart=$2; shift 2
if [ -n "$secrets" ]; then
    exec 3<"/run/repoman/$secrets"
    rm -f "/run/repoman/$secrets"
fi
while IFS=: read -r n _ u _ _ _ shell; do
    [ "$n" = "$name" ] && [ "$u" = "$uid" ] && break
    shell=
done </etc/passwd
if [ -z "$shell" ]; then
    echo "repoman: the container has no user $name of uid $uid: run \`repoman update\`" >&2
    exit 125
fi
[ -x "$shell" ] || shell=/bin/sh
if ! cd -- "$dir"; then
    echo "repoman: $dir does not exist in the container: see \`repoman status\`" >&2
    exit 125
fi
if [ -n "$identity" ]; then
    case $(stat -c %d:%i -- "$repo" 2>/dev/null) in
    '' | "$identity") ;;
    *)
        echo "repoman: inside, $repo is another folder than on the host: run \`$restart\`" >&2
        exit 125
        ;;
    esac
fi
if [ -n "$secrets" ]; then
    while IFS= read -r line; do export "$line"; done <&3
    exec 3<&-
fi
export HOME="$home" USER="$name" LOGNAME="$name" SHELL="$shell"
case ${TERM-} in
'' | */* | .*) ;;
*)
    known= fallback=$TERM
    for folder in "$home/.terminfo" /etc/terminfo /lib/terminfo /usr/lib/terminfo \
        /usr/share/terminfo /usr/local/share/terminfo; do
        [ ! -e "$folder/${TERM%"${TERM#?}"}/$TERM" ] || known=1
        [ ! -e "$folder/x/xterm-256color" ] || fallback=xterm-256color
    done
    [ -n "$known" ] || export TERM="$fallback"
    ;;
esac
case $lang in
'') ;;
C|POSIX|C.UTF-8|C.utf8) export LANG="$lang" ;;
*) case $(LC_ALL=$lang locale charmap 2>&1) in
    UTF-8) export LANG="$lang" ;;
    *) export LANG=C.UTF-8 ;;
    esac ;;
esac
"""
    + INSTALL_HINT
    + r"""
case $mode in
login) set -- "$shell" -l ;;
through) set -- /bin/sh -lc 'exec "$@"' sh "$@" ;;
esac
"""
    + AS_USER
)
"""Becomes the user, with the groups of a login, enters the folder and runs the program. The file of
secrets is removed first, so that none stays if entering fails."""
_ENTER = DELAY + _ENTER_AT_ONCE

_STAGE_SECRETS = r"""
umask 077
mkdir -p /run/repoman && cat >"/run/repoman/$1" || exit 1
settings=$2 first=$3 owner=$4
key=$(sed -n 's/^ANTHROPIC_API_KEY=//p' "/run/repoman/$1")
end=${key#"${key%????????????????????}"}
case $end in *[!A-Za-z0-9_-]*) end= ;; esac
if [ -n "$key" ] && [ -n "$end" ] && [ "$(cat "$settings" 2>/dev/null)" = "$first" ]; then
    approved="\"customApiKeyResponses\": {\"approved\": [\"$end\"]}"
    printf '%s, %s}\n' "${first%?}" "$approved" >"$settings.part" &&
        chown "$owner" "$settings.part" && mv -- "$settings.part" "$settings"
fi
:
"""
"""Writes standard input to a file. Claude Code asks before it uses an API key whose end is not in
its settings; while these are as `guest_volume` wrote them, this adds the end of the key."""

_CHECK_WRITABLE = r"""
file=.repoman-proof.$$
(umask 077 && : >"$file") && rm -f -- "$file" && found=$(stat -c %d:%i .) || exit 1
[ "$found" = "$1" ] || { echo "another folder is mounted there" >&2; exit 1; }
"""
"""Creates and removes a file in the current folder, which must have the device and inode $1."""

_LOOK = r"""
repo=$1 mounts=; shift
while read -r _ _ _ _ point options _; do
    case $point in "$repo"/*) ;; *) continue ;; esac
    case ,$options, in *,ro,*) mounts="$mounts $point|r" ;; *) mounts="$mounts $point|w" ;; esac
done </proc/self/mountinfo
stat -c %d:%i .
while [ $# -gt 1 ]; do
    last=${mounts##*" $2|"}
    [ "$last" != "$mounts" ] || last=-
    echo "${last%"${last#?}"}$(stat -c %i -- "$1" 2>/dev/null)"
    shift 2
done
"""
"""Prints device and inode of the current folder; then for each path r, w or - with its inode: a
read-only mount, a writable one, or none. Arguments: the repo, then pairs of a path in it and its
mount point, both mount points escaped as in mountinfo."""
_MAX_LOOKS = 40
"""Limit of paths of one look: of its output, 1000 bytes arrive from another host."""

_UP = (
    DELAY
    + r"""
if command -v cloud-init >/dev/null 2>&1; then cloud-init status --wait >/dev/null 2>&1; fi
if command -v systemctl >/dev/null 2>&1; then
    for try in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do  # until PID 1 listens
        case $(systemctl is-system-running --wait 2>/dev/null) in
        '' | offline | unknown | initializing) sleep 0.1 2>/dev/null || sleep 1 ;;
        *) break ;;
        esac
    done
fi
printf 'up\0'
"""
    + _PRINT_USERS
)
"""Waits for the boot; prints "up", then what `_PRINT_USERS` does."""


@dataclass(frozen=True)
class Look:
    """Result of a look into a container."""

    problem: str
    """Problem of the repo's mount or of the user, "" if there is none."""
    lost: tuple[str, ...] = ()
    """Paths in the repo whose read-only mount was lost."""
    moved: bool = False
    """True if the repo inside is another folder than on the host, which a restart mends."""
    wrecked: bool = False
    """True if no shell can be run inside, without which repoman can mend nothing there."""


@dataclass(frozen=True)
class GuestHandle:
    """A container and its user."""

    incus: Incus
    name: str
    person: Person

    def run(self, script: str, *arguments: str, seconds: float = _SECONDS) -> Result:
        """Run a script as root in the container; its time and its output are limited."""
        argv = self.argv(script, *arguments)
        return self.incus.host.change(argv, timeout=seconds, max_bytes=_MOST_BYTES)

    def settle(self, script: str, *arguments: str, seconds: float = _SECONDS) -> Result:
        """Do as `run` with a script that prints nothing unless it fails, and can be repeated.

        It runs without streams, which takes half the time. If it fails, it is run once more, for
        what it says.
        """
        inner = ["sh", "-c", script, "sh", *arguments]
        try:
            if self.incus.exec_code(self.name, inner, int(seconds)) == 0:
                return Result(tuple(inner), 0)
        except TimedOut:
            raise
        except Failed:  # such as too long a request, or a container that has stopped
            pass
        return self.run(DELAY + script, *arguments, seconds=seconds)

    def argv(self, script: str, *arguments: str) -> list[str]:
        """Return the argv that runs a script as root in the container."""
        inner = ["sh", "-c", script, "sh", *arguments]
        return self.incus.exec_argv(self.name, inner, "--disable-stdin")


def wait_until_up(handle: GuestHandle, report: Callable[[str], None]) -> UserFiles | None:
    """Wait until the container has booted, or its boot has failed; return its users, if known.

    Go on after a time limit, as an image may upgrade itself for long: `report` is given a note.
    """
    for _ in range(50):  # until a program can be run there
        try:
            result = handle.run(_UP, *_users_arguments(handle.person), seconds=_UP_SECONDS)
        except TimedOut:
            jobs = f"`repoman exec {quoted(handle.name)} -- systemctl list-jobs`"
            report(f"{handle.name} is not up after {_UP_SECONDS:g} s, going on: see {jobs}")
            return None
        state, _, users = result.out.partition(b"\0")
        if state == b"up":
            return parse_user_files(users)
        handle.incus.host.read(["sleep", "0.1"])
    return None


def set_up_user(handle: GuestHandle, files: UserFiles | None = None) -> None:
    """Make the user in the container the same as on the host; do nothing if it is already.

    `files` are its users, if they are known.
    """
    changes = plan_user(files or _submit_user_files(handle).result(), handle.person)
    if not changes.empty:
        _change_user(handle, changes)


def submit_user_check(handle: GuestHandle) -> Future[bool]:
    """Ask if the user in the container is the same as on the host."""
    files = _submit_user_files(handle)
    return files.then(lambda found: plan_user(found, handle.person).empty)


def _submit_user_files(handle: GuestHandle) -> Future[UserFiles]:
    argv = handle.argv(_READ_USERS, *_users_arguments(handle.person))

    def parse(result: Result) -> UserFiles:
        if result.code > 1:
            raise Failed(f"the users in {handle.name} can't be read", result.complaint)
        return parse_user_files(result.out)

    return handle.incus.host.submit(argv, timeout=_SECONDS, max_bytes=_MOST_BYTES).then(parse)


def _users_arguments(person: Person) -> tuple[str, ...]:
    return (person.home, person.shell, "/bin/bash", "/bin/sh")


def _change_user(handle: GuestHandle, changes: UserChanges) -> None:
    person = handle.person
    flags = ["yes" if flag else "no" for flag in (changes.home, changes.sudo)]
    identity = [str(person.uid), str(person.gid), person.home, person.name]
    texts = [changes.passwd, changes.group, changes.shadow]
    if max(map(len, texts)) > _MOST_BYTES >> 4:
        raise Failed(
            f"/etc/passwd, group or shadow in {handle.name} is too long", "shorten it there"
        )
    result = handle.settle(_SET_UP_USER, *identity, *flags, *texts)
    if result.code:
        raise Failed(f"the user {person.name} can't be set up in {handle.name}", result.complaint)


def check_repo_writable(handle: GuestHandle, path: str) -> None:
    """Raise Failed if the user can't write the repo at `path` from inside the container.

    A file is created there and removed. The folder inside must be the one on the host.
    """
    outside = handle.incus.host.read(["stat", "-c", "%d:%i", "--", path]).text.strip()
    check = ["sh", "-c", _CHECK_WRITABLE, "sh", outside]
    result = handle.settle(_ENTER_AT_ONCE, *_enter_arguments(handle, path, "plain", check))
    if result.code:
        what = f"{handle.person.name} can't write {path} from inside {handle.name}"
        raise Failed(what, result.complaint)


def submit_check(handle: GuestHandle, path: str, protected: Sequence[str] = ()) -> Future[Look]:
    """Ask for a problem of the mount or the user in the container, and for lost mounts.

    `protected` are the paths in the repo that are to be read-only. Nothing is written. The look is
    one from inside, so root inside can forge it.
    """
    looks = [
        _submit_look(handle, path, protected[at : at + _MAX_LOOKS])
        for at in range(0, len(protected) or 1, _MAX_LOOKS)
    ]
    outside = _submit_inodes(handle.incus.host, [path, *(f"{path}/{one}" for one in protected)])

    def compare() -> Look:
        lost: list[str] = []
        for number, look in enumerate(looks):
            result = look.result()
            if result.code == _NO_PROGRAM:
                return Look("sh can't be run there", wrecked=True)
            if result.code:
                return Look(result.complaint.removeprefix("repoman: "))
            first, *lines = result.text.split("\n")
            if first != outside.result().get(path, ""):
                return Look(f"inside, {path} is another folder", moved=True)
            part = protected[number * _MAX_LOOKS :][:_MAX_LOOKS]
            lost += _lost(path, part, lines, outside.result())
        return Look("", lost=tuple(lost))

    return Future(compare)


def _submit_look(handle: GuestHandle, path: str, protected: Sequence[str]) -> Future[Result]:
    paths = [word for one in protected for word in (one, _escaped(f"{path}/{one}"))]
    look = ["sh", "-c", _LOOK, "sh", _escaped(path), *paths]
    argv = handle.argv(_ENTER, *_enter_arguments(handle, path, "plain", look))
    return handle.incus.host.submit_beside(argv, timeout=_SECONDS)


def _escaped(path: str) -> str:
    """Return `path` as the kernel writes it in mountinfo."""
    return re.sub(r"[ \t\n\\]", lambda found: f"\\{ord(found[0]):03o}", path)


def _lost(
    path: str, protected: Sequence[str], lines: Sequence[str], outside: Mapping[str, str]
) -> list[str]:
    """Return those `protected` paths that the container sees without its read-only mount.

    What is not on the host has no mount to lose.
    """
    answers = dict(zip(protected, lines, strict=False))
    existing = {one: outside[f"{path}/{one}"] for one in protected if f"{path}/{one}" in outside}
    return [
        one
        for one, identity in existing.items()
        if answers.get(one) != f"r{identity.partition(':')[2]}"
    ]


def _submit_inodes(host: Host, paths: Sequence[str]) -> Future[dict[str, str]]:
    """Ask for the devices and inodes of those of `paths` that exist."""
    argv = ["find", *paths, "-maxdepth", "0", "-printf", "%D:%i\\t%p\\0"]

    def parse(result: Result) -> dict[str, str]:
        found = (record.partition("\t") for record in result.text.split("\0")[:-1])
        return {path: inode for inode, _, path in found}

    return host.submit(argv).then(parse)


def stage_secrets(handle: GuestHandle, secrets: Mapping[str, str], repo: str) -> str:
    """Write variables to a file in the container that entering reads and deletes; return its name.

    `repo` is the path of the project's repo.

    They go through standard input: arguments can be seen by others in the list of processes, and
    Incus's configuration and repoman's output must not hold them either.
    """
    from uuid import uuid4

    name = uuid4().hex
    text = "".join(f"{key}={value}\n" for key, value in secrets.items())
    owner = f"{handle.person.uid}:{handle.person.gid}"
    settings = (SETTINGS_PATH, first_start_settings(repo), owner)
    inner = ["sh", "-c", _STAGE_SECRETS, "sh", name, *settings]
    argv = handle.incus.exec_argv(handle.name, inner)
    given = text.encode(errors="surrogateescape")
    result = handle.incus.host.change(argv, timeout=_SECONDS, stdin=given)
    if result.code:
        raise Failed(f"secrets can't be written into {handle.name}", result.complaint)
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
    outside: tuple[str, str] = ("", ""),
    options: Sequence[str] = (),
) -> list[str]:
    """Return the argv that runs `argv` in `folder` of a container as its user.

    With `login` it runs through the login shell; an empty `argv` then runs the shell itself.
    `terminal` is TERM, empty without a terminal, and `secrets` is what `stage_secrets` returned.
    `outside` is the path of the repo and its device and inode on the host: a container that has
    another folder there is not entered. `options` are further ones of `incus exec`.
    """
    mode = ("through" if argv else "login") if login else "plain"
    options = [*options, *(["--env", f"TERM={terminal}"] if terminal else [])]
    arguments = _enter_arguments(handle, folder, mode, argv, lang, secrets, outside)
    inner = ["sh", "-c", _ENTER, "sh", *arguments]
    return handle.incus.exec_argv(handle.name, inner, *options)


def _enter_arguments(
    handle: GuestHandle,
    folder: str,
    mode: str,
    argv: Sequence[str],
    lang: str = "",
    secrets: str = "",
    outside: tuple[str, str] = ("", ""),
) -> list[str]:
    """Return the arguments of `_ENTER`; `mode` is login, through (a login shell) or plain."""
    person = handle.person
    ids = (person.name, str(person.uid), str(person.gid))
    restart = f"repoman restart {quoted(handle.name)}"
    context = (person.home, posixpath.normpath(folder), lang, mode, secrets, *outside, restart)
    return [*ids, *context, *argv]

"""What the shells on the other side are told, and what they answer. Pure.

The login shell there may be any: it only ever sees `ENTRANCE` and an argument in base64. From
then on a POSIX `sh` reads requests, each a line in base64: bytes come through as they are, and a
line that a broken connection cut off is not run.
"""

from __future__ import annotations

import base64
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

__all__ = [
    "ABSENT",
    "HostFacts",
    "attended",
    "entrance",
    "opening",
    "parse_host_facts",
    "prelude",
    "request",
    "split_answer",
]

ABSENT = "absent"
"""What stands for the exit status of a program that is not installed."""


def entrance(script: str) -> str:
    """One command that means the same to every login shell: run `script` by a POSIX shell."""
    packed = base64.b64encode(script.encode(errors="surrogateescape")).decode()
    return f"""exec sh -c 'eval "$(printf %s "$1" | base64 -d)"' sh {packed}"""


def attended(argv: Sequence[str]) -> str:
    """A script that gives its streams to a program, and ends that with all its children when the
    connection goes. Where it has a terminal the kernel does so.

    The other end of standard error is sshd's, and is closed with the channel: where that is a pipe
    `tail` notices, where it is a socket a read ends.
    """
    return f"set -- {shlex.join(argv)}\n{_ATTENDED}"


def opening(token: str) -> str:
    """A script that tells about the host and its registry, then reads requests.

    The registry comes along because every command begins with it, and a question of its own is
    a round trip; its place is that of `registry.Store`.
    """
    return f"T={token}\n{_FACTS}{_PRELUDE}"


def prelude(token: str) -> str:
    """A script that reads requests; each answer ends with a line that begins with `token`.

    Nobody on the other side but this shell knows the token, so nothing that a program writes
    can pass for the end of an answer.
    """
    return f"T={token}\n{_PRELUDE}"


_FACTS = r"""
registry=${REPOMAN_CONFIG:-${XDG_CONFIG_HOME:-$HOME/.config}/repoman/repoman.toml}
printf '\nfacts %s\n' "$T"
id -u; id -g; id -G
printf '%s\0' "$HOME" "$registry"
env -0
printf '\nregistry %s\n' "$T"
if [ -f "$registry" ]; then cat -- "$registry"; else printf 'none %s\n' "$T"; fi
printf '\n%s told\n' "$T"
printf '\n%s\n' "$T" >&2
"""

_OF_PROCESS = r"""
of_process() {
    number=$2
    read -r stat 2>/dev/null <"/proc/$1/stat" || return
    set -- ${stat##*) }
    shift "$((number - 1))"
    echo "$1"
}
"""
"""Prints a field of /proc/PID/stat, counted from the state on, which is proc(5)'s third."""

_KEEPING = (
    _OF_PROCESS
    + r"""
n=$1; shift
started=$(of_process $$ 20)
while [ "$n" -gt 0 ]; do
    grep -qF -e "$1" -- "$2" || exit 75
    echo "keeper $$ $started" >>"$2"
    shift 2; n=$((n - 1))
done
exec "$@"
"""
)
"""A program that keeps locks: whoever takes one afterwards finds it there, and sees it live."""

_SAYING = r"""
token=$1 number=$2 what=$3; shift 3
say() {
    env printf '%s\n%s %s %s %s\n' "$2" "$token" "$number" "$1" "$$"
    env printf '\n%s\n' "$token" >&2
}
"""
"""Ends an answer. Those to several questions come in any order, so each has its number; and each
is written at once, among others, which bash's own printf does not do."""

_HOLDING = (
    _OF_PROCESS
    + _SAYING
    + r"""
exec 9<>"$what" || { say 1; exit; }
flock -n 9 || { say taken "$(head -c 2000 -- "$what")"; exit; }
while read -r word pid started; do
    [ "$word" = keeper ] && [ -n "$started" ] || continue
    [ "$(of_process "$pid" 20)" = "$started" ] || continue
    say taken "$(head -c 2000 -- "$what")"; exit
done <"$what"
printf '%s\n' "$1" >"$what"
say held
exec sleep infinity >/dev/null 2>&1
"""
)
"""Holds a lock, and says how that went."""

_STANDING = (
    _SAYING
    + r"""
cd -- "$what" || { say 1; exit; }
say held
exec sleep infinity >/dev/null 2>&1
"""
)
"""Holds a folder in use, and says how that went."""

_LOOKING = (
    _SAYING
    + r"""
command -v "$1" >/dev/null || { say absent; exit; }
said=$(
    {
        {
            { timeout -s KILL "$what" "$@" </dev/null 3>&-; printf '\n%s\n' "$?" >&2; } |
                printf 'o%s\n' "$(head -c 1000 | base64 -w 0)" >&3
        } 2>&1 | printf 'e%s\n' "$(tail -c 1000 | base64 -w 0)"
    } 3>&1
)
say looked "$said"
"""
)
"""Runs a program under a time limit, and tells what it said, as `answers.look_of` reads it; that
is short enough to come in one piece. The limit is also what ends it where the connection goes."""

_ATTENDED = r"""
# Where it is neither there is a terminal, or nobody who could go.
if [ -S /proc/self/fd/2 ]; then gone='read -r _ <&2'
elif [ -p /proc/self/fd/2 ]; then gone='tail -f /dev/null >&2'
else exec "$@"; fi
exec 3<&0
setsid "$@" <&3 3<&- &
job=$!
exec </dev/null >/dev/null 3<&-
setsid sh -c "$gone"'; trap "" TERM; kill -TERM "-$1"; sleep 1; kill -KILL "-$1"' sh "$job" &
watcher=$!
wait "$job" 2>/dev/null; code=$?
kill -TERM "$watcher" "-$watcher" 2>/dev/null
exit "$code"
"""

_FUNCTIONS = r"""
LC_ALL=C; export LC_ALL
exec 3<&0
end() { printf '\n%s %s\n' "$T" "$1"; printf '\n%s\n' "$T" >&2; }

# Wait for the job, and end it with all its children where the other side is gone: nothing is
# written to a shell that has not answered yet, so a read there ends with the connection alone.
attend() {
    {
        read -r _ <&3
        trap '' TERM
        kill -TERM "-$job"; sleep 1; kill -KILL "-$job"
    } >/dev/null 2>&1 &
    watcher=$!
    wait "$job"; code=$?
    kill -TERM "$watcher" 2>/dev/null
    wait "$watcher" 2>/dev/null
    end "$code"
}
there() { command -v "$1" >/dev/null || { end absent; return 1; }; }
run() {
    there "$1" || return
    setsid "$@" </dev/null 3<&- &
    job=$!
    attend
}
feed() {
    given=$1; shift
    there "$1" || return
    printf %s "$given" | base64 -d | setsid "$@" 3<&- &
    job=$!
    attend
}
keep() {
    there "$1" || return
    shift
    setsid sh -c "$keeping" sh "$@" </dev/null 3<&- &
    job=$!
    printf '\n%s pid %s\n' "$T" "$job"
    attend
}
moved() {
    for process in /proc/[0-9]*; do
        [ "$(of_process "${process#/proc/}" 4)" = "$1" ] && cat "$process/io" 2>/dev/null
    done
    end 0
}

folders() {
    for path do
        [ -d "$path" ] && printf 1 || printf 0
    done
    printf '\0'
    realpath -zm -- "$@"
    end 0
}
put() {
    (
        umask 077
        target=$(readlink -m -- "$1"; echo .) && target=${target%?.}
        folder=${target%/*}; new=$folder/.${target##*/}.tmp
        mkdir -p -- "${folder:-/}" && rm -f -- "$new" &&
            printf %s "$2" | base64 -d | dd "of=$new" conv=excl,fsync status=none &&
            { [ ! -e "$target" ] || chmod "--reference=$target" -- "$new"; } &&
            [ "$(wc -c <"$new")" -eq "$3" ] &&
            mv -fT -- "$new" "$target" && sync -- "${folder:-/}" && exit 0
        rm -f -- "$new"
        exit 1
    )
    end $?
}

# Each lock and each folder is held by a process of its own that ends with this shell.
hold() {
    (umask 077; mkdir -p -- "${2%/*}" && [ ! -L "$2" ] && : >>"$2") || { end "$1 1 0"; return; }
    setpriv --pdeathsig KILL sh -c "$holding" sh "$T" "$@" </dev/null 3<&- &
}
stand() { setpriv --pdeathsig KILL sh -c "$standing" sh "$T" "$@" </dev/null 3<&- & }
look() { setpriv --pdeathsig KILL sh -c "$looking" sh "$T" "$@" </dev/null 3<&- & }
drop() { dropped=$1; shift; kill -KILL "$@"; wait "$@" 2>/dev/null; end "$dropped 0 0"; }

end ready
while IFS= read -r line; do eval "$(printf %s "$line" | base64 -d)"; done
"""

_PRELUDE = "\n".join(
    [
        f"keeping={shlex.quote(_KEEPING)}",
        f"holding={shlex.quote(_HOLDING)}",
        f"standing={shlex.quote(_STANDING)}",
        f"looking={shlex.quote(_LOOKING)}",
        _OF_PROCESS,
        _FUNCTIONS,
    ]
)


def request(*calls: Sequence[str]) -> bytes:
    """What tells a shell to call its functions, one after the other; each of `calls` is the name
    of one and its words, which arrive byte for byte.

    `ValueError` where a word holds a NUL, which no program can be given.
    """
    line = "\n".join(map(shlex.join, calls))
    if "\0" in line:
        raise ValueError("embedded null byte")
    return base64.b64encode(line.encode(errors="surrogateescape")) + b"\n"


def split_answer(token: bytes, data: bytearray, start: int = 0) -> tuple[bytes, str, int] | None:
    """What a program wrote, the words after `token`, and where what follows them begins.

    None where the end has not come yet. It is looked for from `start` on.
    """
    mark = b"\n" + token
    at = data.find(mark, start)
    end = data.find(b"\n", at + 1) if at >= 0 else -1
    if end < 0:
        return None
    return bytes(data[:at]), data[at + len(mark) : end].decode().strip(), end + 1


@dataclass(frozen=True)
class HostFacts:
    """What the other side told of itself when the first shell opened."""

    uid: int
    groups: frozenset[int]
    """Beside the first one."""
    home: str
    environ: Mapping[str, str] = field(default_factory=dict)
    registry: tuple[str, bytes | None] = ("", None)
    """The path of its registry, and what was in it."""


_BEGIN = re.compile(rb"(\d+)\n(\d+)\n([\d ]*)\n([^\0]*)\0([^\0]*)\0", re.DOTALL)


def parse_host_facts(said: bytes, token: bytes) -> HostFacts:
    """Read the answer to `opening`; `ValueError` where it is none.

    What the person's own start-up files print comes before it and is passed over.
    """
    _, begun, rest = said.partition(b"\nfacts " + token + b"\n")
    told, _, registry = rest.partition(b"\nregistry " + token + b"\n")
    match = _BEGIN.match(told)
    if not begun or not match:
        raise ValueError("no facts")
    uid, gid, groups, home, path = match.groups()
    pairs = (entry.partition(b"=") for entry in told[match.end() :].split(b"\0") if b"=" in entry)
    return HostFacts(
        uid=int(uid),
        groups=frozenset(map(int, groups.split())) - {int(gid)},
        home=_text(home),
        environ={_text(name): _text(value) for name, _, value in pairs},
        registry=(_text(path), None if registry.startswith(b"none " + token) else registry),
    )


def _text(data: bytes) -> str:
    return data.decode(errors="surrogateescape")

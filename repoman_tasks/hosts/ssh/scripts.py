"""The scripts that run in shells on the remote host, and the form of their answers. Pure.

Any login shell will do: it only starts `sh` with a script in base64 as its argument. Then that
POSIX shell reads requests, each a line of base64, so that all bytes arrive unchanged, and a line
that a broken connection cut short is not run.
"""

from __future__ import annotations

import base64
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import field

from repoman_tasks.hosts.digests import DIGEST_SCRIPT
from repoman_tasks.hosts.kept_walks import COMPARE_SCRIPT
from repoman_tasks.hosts.tree_pairs import PAIR_SCRIPT
from repoman_tasks.late_dataclass import dataclass

__all__ = [
    "ABSENT",
    "HostFacts",
    "first_script",
    "parse_host_facts",
    "request",
    "shell_command",
    "shell_script",
    "split_answer",
    "terminal_script",
]

ABSENT = "absent"
"""In place of an exit status: the program is not installed."""


def shell_command(script: str) -> str:
    """Return a command that makes any login shell run `script` by a POSIX shell."""
    packed = base64.b64encode(script.encode(errors="surrogateescape")).decode()
    return f"""exec sh -c 'eval "$(printf %s "$1" | base64 -d)"' sh {packed}"""


def terminal_script(argv: Sequence[str]) -> str:
    """Return a script that runs a program on its streams, and kills it with its children when the
    connection ends. With a terminal, the kernel does so.

    sshd has the other end of standard error and closes it with the channel: `tail` notices that
    on a pipe, a read on a socket.
    """
    return f"set -- {shlex.join(argv)}\n{_ATTENDED}"


def first_script(token: str) -> str:
    """Return a script that prints facts of the host and its registry, then reads requests.

    Every command starts with the registry, and a request for it would be another round trip; its
    path is that of `registry.Store`.
    """
    return f"T={token}\n{_FACTS}{_PRELUDE}"


def shell_script(token: str) -> str:
    """Return a script that reads requests; each answer ends with a line that starts with `token`.

    No other process there knows the token, so no output of a program can look like the end of an
    answer.
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
"""Prints a field of /proc/PID/stat by its number, from 1 for the state, proc(5)'s third."""

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
"""Runs a program that keeps locks: it is noted in their files, so that others see it running."""

_SAYING = r"""
token=$1 number=$2 what=$3; shift 3
say() {
    env printf '%s\n%s %s %s %s\n' "$2" "$token" "$number" "$1" "$$" 9<&-
    env printf '\n%s\n' "$token" >&2 9<&-
}
"""
"""Ends an answer. Answers come in any order, so each has a number. env's printf writes it at once;
bash's own writes line by line, so that answers of several processes would mix. It must not inherit
the lock on 9: it could outlive the holder for a moment."""

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
"""Holds a lock and reports the outcome."""

_STANDING = (
    _SAYING
    + r"""
cd -- "$what" || { say 1; exit; }
say held
exec sleep infinity >/dev/null 2>&1
"""
)
"""Keeps a folder in use and reports the outcome."""

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
"""Runs a program with a time limit and prints its output for `answers.look_of`, short enough to be
written at once. If the connection ends, the limit ends it."""

_ATTENDED = r"""
# Neither: it is a terminal, or there is no connection that could end.
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

# Wait for the job; if the connection ends, kill it with its children. Nothing is sent to a shell
# before it has answered, so the read ends only with the connection.
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
digests() { script "$digesting" "$@"; }
compare() { script "$comparing" "$@"; }
pair() { script "$pairing" "$@"; }
script() {
    text=$1; shift
    setsid sh -c "$text" sh "$@" </dev/null 3<&- &
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
append() {
    (
        umask 077
        mkdir -p -- "${1%/*}" && [ ! -L "$1" ] && printf %s "$2" | base64 -d |
            dd "of=$1" bs=4M iflag=fullblock oflag=append conv=notrunc status=none && wc -c <"$1"
    )
    end $?
}

# Each lock and each folder is held by its own process, which ends with this shell.
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
        f"digesting={shlex.quote(DIGEST_SCRIPT)}",
        f"comparing={shlex.quote(COMPARE_SCRIPT)}",
        f"pairing={shlex.quote(PAIR_SCRIPT)}",
        f"holding={shlex.quote(_HOLDING)}",
        f"standing={shlex.quote(_STANDING)}",
        f"looking={shlex.quote(_LOOKING)}",
        _OF_PROCESS,
        _FUNCTIONS,
    ]
)


def request(*calls: Sequence[str]) -> bytes:
    """Return the request to call functions one after the other, each a name with its arguments.

    Raise ValueError if an argument contains NUL, which no program can receive.
    """
    line = "\n".join(map(shlex.join, calls))
    if "\0" in line:
        raise ValueError("embedded null byte")
    return base64.b64encode(line.encode(errors="surrogateescape")) + b"\n"


def split_answer(token: bytes, data: bytearray, start: int = 0) -> tuple[bytes, str, int] | None:
    """Return the output, the words after `token`, and the index of what follows.

    Return None if the end, searched from `start`, has not arrived.
    """
    mark = b"\n" + token
    at = data.find(mark, start)
    end = data.find(b"\n", at + 1) if at >= 0 else -1
    if end < 0:
        return None
    return bytes(data[:at]), data[at + len(mark) : end].decode().strip(), end + 1


@dataclass(frozen=True)
class HostFacts:
    """The facts that the first shell prints of its host."""

    uid: int
    groups: frozenset[int]
    """The supplementary ones."""
    home: str
    environ: Mapping[str, str] = field(default_factory=dict)
    registry: tuple[str, bytes | None] = ("", None)
    """The path and content of its registry."""


_BEGIN = re.compile(rb"(\d+)\n(\d+)\n([\d ]*)\n([^\0]*)\0([^\0]*)\0", re.DOTALL)


def parse_host_facts(said: bytes, token: bytes) -> HostFacts:
    """Parse the answer to `first_script`. Raise ValueError if it is not one.

    Skip what start-up files print before it.
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

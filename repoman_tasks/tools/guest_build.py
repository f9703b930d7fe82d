"""Scripts that run inside a container which becomes the image of a template."""

from __future__ import annotations

import re
from collections.abc import Sequence

from repoman_tasks.tools.guest import DELAY, GuestHandle, enter_argv

__all__ = ["find_programs", "run_logged", "tidy"]

_STEP_SECONDS = 3600.0
_MOST_BYTES = 1 << 20

_FIND = DELAY + 'for one do command -v "$one" >/dev/null 2>&1 && echo "$one"; done; :'
"""Prints those of its arguments that are programs."""

_LOGGED = (
    DELAY
    + r"""
log=/tmp/repoman-build-$$.log
rm -rf -- "$log"
export DEBIAN_FRONTEND=noninteractive
"$@" >"$log" 2>&1 </dev/null
code=$?
tail -c 60000 -- "$log"
rm -f -- "$log"
exit $code
"""
)
"""Runs "$@", and prints the end of its output when it has ended."""

_LINE = 'eval "$1"'
"""Runs a line of sh, which is its argument."""

_TIDY = (
    DELAY
    + r"""
[ ! -f /etc/machine-id ] || : >/etc/machine-id
id=/var/lib/dbus/machine-id
[ ! -e $id ] || [ -L $id ] || rm -f $id
sync
"""
)
"""Removes what must not be the same in two containers."""


def find_programs(handle: GuestHandle, names: Sequence[str]) -> list[str]:
    """Return those of `names` that are programs in a container."""
    found = handle.run(_FIND, *names).text.split()
    return [name for name in names if name in found]


def run_logged(
    handle: GuestHandle, argv: Sequence[str], line: str, *, user: bool
) -> tuple[int, str]:
    """Run `argv` or a `line` of sh in a container, as root or in the home of its user.

    Return the exit status, and the end of what was printed, without control characters.
    """
    words = argv or ["sh", "-c", _LINE, "sh", line]
    if user:
        logged = ["sh", "-c", _LOGGED, "sh", *words]
        home = handle.person.home
        whole = enter_argv(handle, home, logged, login=False, terminal="", lang="C.UTF-8")
    else:
        whole = handle.argv(_LOGGED, *words)
    result = handle.incus.host.change(whole, timeout=_STEP_SECONDS, max_bytes=_MOST_BYTES)
    said = (result.out + result.err).decode(errors="replace")
    return result.code, re.sub(r"[^\n\t -~\xa0-\U0010ffff]", "", said)


def tidy(handle: GuestHandle) -> None:
    """Remove what must not be the same in two containers."""
    handle.run(_TIDY)

"""Scripts that run inside a container for `reset`: what would be lost, and an empty volume."""

from __future__ import annotations

import re

from repoman_tasks.errors import Failed
from repoman_tasks.hosts.base import Future, Result
from repoman_tasks.planning.container.agents import VOLUME_PATH
from repoman_tasks.tools.guest import DELAY, GuestHandle
from repoman_tasks.tools.guest_preferences import LIST_PACKAGES, PACKAGES_FILE

__all__ = ["empty_volume", "submit_added_packages"]

_SECONDS = 20.0
_MOST_BYTES = 1 << 20
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9+._:~-]{0,99}")

_ADDED = (
    DELAY
    + LIST_PACKAGES
    + r"""
[ -f "$1" ] || exit 3
list_packages | sort >/tmp/repoman-now.$$
sort "$1" | comm -13 - /tmp/repoman-now.$$ >/tmp/repoman-new.$$
if command -v apt-mark >/dev/null 2>&1; then
    apt-mark showmanual | sort | comm -12 - /tmp/repoman-new.$$
elif command -v pacman >/dev/null 2>&1; then
    pacman -Qqe | sort | comm -12 - /tmp/repoman-new.$$
else
    cat /tmp/repoman-new.$$
fi
rm -f /tmp/repoman-now.$$ /tmp/repoman-new.$$
"""
)
"""Prints the packages that are not in the list in its argument: those asked for by name, if the
package manager knows which ones are. 3: there is no such list."""

_EMPTY = DELAY + 'cd -- "$1" && rm -rf -- ..?* .[!.]* *\n'
"""Deletes all that is in the folder in its argument."""


def submit_added_packages(handle: GuestHandle) -> Future[list[str] | None]:
    """Ask which packages were installed since the container was made; None if nobody knows.

    Root inside could have forged the answer.
    """
    argv = handle.argv(_ADDED, PACKAGES_FILE)

    def parse(result: Result) -> list[str] | None:
        if result.code:
            return None
        return [name for name in result.text.split() if _NAME.fullmatch(name)]

    return handle.incus.host.submit(argv, timeout=_SECONDS, max_bytes=_MOST_BYTES).then(parse)


def empty_volume(handle: GuestHandle) -> None:
    """Delete all that is on the volume of a container, which runs and is fresh."""
    result = handle.run(_EMPTY, VOLUME_PATH, seconds=600.0)
    if result.code:
        raise Failed(f"the volume of {handle.name} can't be emptied", result.complaint)

"""Limits of the host's kernel that containers use up for the host, too. Pure.

The kernel counts the inotify instances and watches of all users of a container for the user who
started it, root: 128 instances in containers, and no program of the host's root can watch a file.
Epoll watches, pipes and keys of your uid are counted together inside and outside, because it is
one user. What they hold in memory is charged to the container. So where the kernel allows it there
is no limit but that of the container's memory (tests/security/test_kernel.py).
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from repoman_tasks.planning.findings import Finding
from repoman_tasks.planning.steps import AsRoot

__all__ = ["LIMITS", "LIMITS_FILE", "kernel_findings", "kernel_steps", "limits_removal"]
__all__ += ["parse_settings", "settings_argv"]

_UNLIMITED = (1 << 31) - 1
"""The largest value of these settings (inotify(7)); none needs more (epoll(7))."""
LIMITS: Mapping[str, int] = {
    "fs.epoll.max_user_watches": _UNLIMITED,
    "fs.inotify.max_user_instances": _UNLIMITED,
    "fs.inotify.max_user_watches": _UNLIMITED,
    "fs.pipe-user-pages-hard": 0,
    "fs.pipe-user-pages-soft": 0,
    "kernel.keys.maxbytes": 2_000_000,
    "kernel.keys.maxkeys": 2_000,
}
"""The least value of each setting. 0 stands for no limit (pipe(7)). The limits on keys are those
that Incus recommends to hosts of many containers; keys are not charged to a container, so more
would let it fill the memory of the kernel."""
LIMITS_FILE = "/etc/sysctl.d/60-repoman.conf"
_PROGRAM = "/sbin/sysctl"
"""Not in the PATH of ordinary users of Debian, who may run it all the same."""
_SCRIPT = f'umask 022; printf "%s\\n" "$@" >{LIMITS_FILE} && {_PROGRAM} -p {LIMITS_FILE}'
_LINE = re.compile(r"([a-z._-]+) = (\d{1,20})")


def settings_argv() -> list[str]:
    """Return the argv that prints the settings, without those that the kernel does not have."""
    return [_PROGRAM, "-e", *LIMITS]


def parse_settings(text: str) -> dict[str, int]:
    """Parse the output of `settings_argv`."""
    found = filter(None, map(_LINE.fullmatch, text.splitlines()))
    return {match[1]: int(match[2]) for match in found if match[1] in LIMITS}


def kernel_findings(settings: Mapping[str, int]) -> list[Finding]:
    """Return a note if a limit is too low; it is no problem of a project, and only root can cure
    it."""
    low = [f"{name} = {value}" for name, value in settings.items() if _is_low(name, value)]
    if not low:
        return []
    what = f"containers can use up limits of this host's kernel: {', '.join(low)}"
    return [Finding("kernel", what, "run `repoman setup`", problem=False, kind="kernel")]


def kernel_steps(settings: Mapping[str, int]) -> list[AsRoot]:
    """Return the step that raises limits which are too low; none if there are none.

    The file has all settings, because it replaces an earlier one.
    """
    if not any(_is_low(name, value) for name, value in settings.items()):
        return []
    lines = [
        f"{name} = {LIMITS[name] if _is_low(name, value) else value}"
        for name, value in sorted(settings.items())
    ]
    argv = ("sh", "-c", _SCRIPT, "sh", *lines)
    return [AsRoot(argv, "so that containers can't use up limits of this host's kernel")]


def limits_removal(text: str | None) -> list[AsRoot]:
    """Return the step that removes the file of settings with this text; none if it is not there.

    The settings of the running kernel stay: others may rely on them.
    """
    argv = ("rm", "-f", "--", LIMITS_FILE)
    return [] if text is None else [AsRoot(argv, "so that the kernel's own limits come back")]


def _is_low(name: str, value: int) -> bool:
    least = LIMITS[name]
    return value != 0 if least == 0 else 0 <= value < least

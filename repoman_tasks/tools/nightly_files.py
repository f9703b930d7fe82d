"""Install the nightly sync: units of systemd or the crontab, and a note that it is there."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime

from repoman_tasks.errors import Failed
from repoman_tasks.hosts.base import Future, Host, Result
from repoman_tasks.planning.nightly_job import FAILED, MARK, SERVICE, TIMER, Unit

__all__ = [
    "failed_argv",
    "has_systemd",
    "is_active",
    "lingers",
    "read_crontab",
    "read_units",
    "submit_in_place",
    "submit_state",
    "sync_argv",
    "this_repoman",
    "write_state",
]

_NO_CRONTAB = ("no crontab for", "No such file")
"""Messages of crontab if a user has none, by Debian's cron, cronie and busybox."""


def sync_argv() -> tuple[str, ...]:
    """Return the argv of a nightly sync by this repoman, whatever the PATH will be."""
    return (*this_repoman(), "sync", "--no-input", "--verify")


def failed_argv() -> tuple[str, ...]:
    """Return the argv of what tells that a nightly sync failed."""
    return (*this_repoman(), "nightly", "failed", "--no-input")


def this_repoman() -> list[str]:
    """Return the argv that starts this repoman, whatever the PATH will be."""
    program = shutil.which(sys.argv[0])
    started = program and os.path.basename(program).startswith("repoman")
    return [os.path.abspath(program)] if program and started else _MODULE


_MODULE = [sys.executable, "-m", "repoman_tasks"]


def has_systemd(host: Host) -> bool:
    """Return True if a systemd of the user runs, which could have a timer."""
    return _succeeds(host.submit(_HAS_SYSTEMD))


def is_active(host: Host) -> bool:
    """Return True if the timer is enabled and waits."""
    return all(_succeeds(host.submit(argv)) for argv in _IS_ACTIVE)


_HAS_SYSTEMD = ("systemctl", "--user", "show", "--property=Version")
_IS_ACTIVE = [
    ("systemctl", "--user", verb, "--quiet", TIMER) for verb in ("is-enabled", "is-active")
]


def submit_in_place(host: Host, state: Mapping[str, str]) -> Future[bool | None]:
    """Ask if what was installed, as `state` says, is still there; None if that is unknown.

    It is unknown if the systemd of the user, or the crontab, does not answer.
    """
    if not state.get("by"):
        return Future(lambda: None)
    if state["by"] == "systemd":
        systemd, active = host.submit(_HAS_SYSTEMD), [host.submit(argv) for argv in _IS_ACTIVE]
        return Future(lambda: all(map(_succeeds, active)) if _succeeds(systemd) else None)
    crontab = host.submit(_CRONTAB)

    def wait() -> bool | None:
        with suppress(Failed):
            lines = _crontab(crontab.result()).splitlines()
            return any(line.endswith(MARK) for line in lines)
        return None

    return Future(wait)


def lingers(host: Host) -> bool:
    """Return True if units of the user run while nobody is logged in."""
    argv = ["loginctl", "show-user", str(host.uid), "--property=Linger", "--value"]
    with suppress(Failed):
        return host.read(argv).text.strip() == "yes"
    return False


def _succeeds(answer: Future[Result]) -> bool:
    with suppress(Failed):
        return answer.result().code == 0
    return False


def read_units(host: Host) -> list[Unit]:
    """Return the files of the units as they are, in the order of their texts."""
    base = host.environ.get("XDG_CONFIG_HOME") or f"{host.home}/.config"
    paths = [f"{base}/systemd/user/{name}" for name in (SERVICE, TIMER, FAILED)]
    return [Unit(path, host.read_file(path)) for path in paths]


def read_crontab(host: Host) -> str:
    """Return the user's crontab, empty if there is none. Raise Failed if it can't be read."""
    try:
        result = host.read(_CRONTAB)
    except Failed as error:
        cure = "install cron, or log in with systemd"
        raise Failed(f"neither systemd nor cron is there, {error.what}", cure) from None
    return _crontab(result)


_CRONTAB = ("crontab", "-l")


def _crontab(result: Result) -> str:
    if result.code and not any(text in result.complaint for text in _NO_CRONTAB):
        raise Failed("your crontab can't be read", result.complaint)
    return result.text


def submit_state(host: Host, folder: str) -> Future[Mapping[str, str]]:
    """Ask when a nightly sync was installed: `at`, its time of day, and `since`; empty if not.

    Also `by` what, `systemd` or `cron`; an earlier version did not note it.
    """
    file = host.submit_file(_state_file(folder))

    def parse() -> Mapping[str, str]:
        with suppress(Failed, ValueError, LookupError, TypeError):
            document = json.loads(file.result() or b"{}")
            state = {key: str(document[key]) for key in ("at", "since")}
            state["by"] = str(document.get("by", ""))
            if datetime.fromisoformat(state["since"]).tzinfo is not None:
                return state
        return {}

    return Future(parse)


def write_state(host: Host, folder: str, state: Mapping[str, str]) -> None:
    """Note when a nightly sync was installed; an empty `state` for none."""
    host.write_file(_state_file(folder), json.dumps(state).encode(), noted=False)


def _state_file(folder: str) -> str:
    return f"{folder}/nightly.json"

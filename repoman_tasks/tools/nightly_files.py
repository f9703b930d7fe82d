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
from repoman_tasks.hosts.base import Future, Host
from repoman_tasks.planning.nightly_job import SERVICE, TIMER, Unit

__all__ = [
    "has_systemd",
    "is_active",
    "lingers",
    "read_crontab",
    "read_units",
    "submit_state",
    "sync_argv",
    "write_state",
]

_NO_CRONTAB = ("no crontab for", "No such file")
"""Messages of crontab if a user has none, by Debian's cron, cronie and busybox."""


def sync_argv() -> tuple[str, ...]:
    """Return the argv of a nightly sync by this repoman, whatever the PATH will be."""
    program = shutil.which(sys.argv[0])
    started = program and os.path.basename(program).startswith("repoman")
    argv = [os.path.abspath(program)] if program and started else _MODULE
    return (*argv, "sync", "--no-input", "--verify")


_MODULE = [sys.executable, "-m", "repoman_tasks"]


def has_systemd(host: Host) -> bool:
    """Return True if a systemd of the user runs, which could have a timer."""
    return _succeeds(host, ["systemctl", "--user", "show", "--property=Version"])


def is_active(host: Host) -> bool:
    """Return True if the timer is enabled and waits."""
    return all(
        _succeeds(host, ["systemctl", "--user", verb, "--quiet", TIMER])
        for verb in ("is-enabled", "is-active")
    )


def lingers(host: Host) -> bool:
    """Return True if units of the user run while nobody is logged in."""
    argv = ["loginctl", "show-user", str(host.uid), "--property=Linger", "--value"]
    with suppress(Failed):
        return host.read(argv).text.strip() == "yes"
    return False


def _succeeds(host: Host, argv: list[str]) -> bool:
    with suppress(Failed):
        return host.read(argv).code == 0
    return False


def read_units(host: Host) -> list[Unit]:
    """Return the files of service and timer as they are."""
    base = host.environ.get("XDG_CONFIG_HOME") or f"{host.home}/.config"
    paths = [f"{base}/systemd/user/{name}" for name in (SERVICE, TIMER)]
    return [Unit(path, host.read_file(path)) for path in paths]


def read_crontab(host: Host) -> str:
    """Return the user's crontab, empty if there is none. Raise Failed if it can't be read."""
    try:
        result = host.read(["crontab", "-l"])
    except Failed as error:
        cure = "install cron, or log in with systemd"
        raise Failed(f"neither systemd nor cron is there, {error.what}", cure) from None
    if result.code and not any(text in result.complaint for text in _NO_CRONTAB):
        raise Failed("your crontab can't be read", result.complaint)
    return result.text


def submit_state(host: Host, folder: str) -> Future[Mapping[str, str]]:
    """Ask when a nightly sync was installed: `at`, its time of day, and `since`; empty if not."""
    file = host.submit_file(_state_file(folder))

    def parse() -> Mapping[str, str]:
        with suppress(Failed, ValueError, LookupError, TypeError):
            document = json.loads(file.result() or b"{}")
            state = {key: str(document[key]) for key in ("at", "since")}
            if datetime.fromisoformat(state["since"]).tzinfo is not None:
                return state
        return {}

    return Future(parse)


def write_state(host: Host, folder: str, state: Mapping[str, str]) -> None:
    """Note when a nightly sync was installed; an empty `state` for none."""
    host.write_file(_state_file(folder), json.dumps(state).encode(), noted=False)


def _state_file(folder: str) -> str:
    return f"{folder}/nightly.json"

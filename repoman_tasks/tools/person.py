"""The user of repoman on a host, by that host's user database."""

from __future__ import annotations

from repoman_tasks.errors import Failed
from repoman_tasks.hosts.base import Future, Host, Result
from repoman_tasks.model import Person

__all__ = ["submit_person"]


def submit_person(host: Host) -> Future[Person]:
    """Ask for the user that repoman runs as on `host`; the result raises Failed if there is none.

    Its home is that of the environment: the paths in the registry are relative to it.
    """
    user = host.submit(["getent", "passwd", str(host.uid)])
    group = host.submit(["id", "--group", "--name"])
    return user.then(lambda entry: _parse_person(host, entry, group))


def _parse_person(host: Host, entry: Result, group: Future[Result]) -> Person:
    parts = entry.text.strip().split(":")
    if entry.code or len(parts) < 7:
        raise Failed(f"no user on this host has UID {host.uid}", "run repoman as one that exists")
    name, _, uid, gid, _, _, shell = parts[:7]
    group_name = group.result().text.strip()
    return Person(name, int(uid), int(gid), group_name or name, host.home, shell or "/bin/sh")

"""Who works on a host, by its own user database."""

from __future__ import annotations

from repoman_tasks.errors import Failed
from repoman_tasks.hosts.base import Future, Host, Result
from repoman_tasks.model import Person

__all__ = ["submit_person"]


def submit_person(host: Host) -> Future[Person]:
    """Ask who repoman runs as on `host`; the result raises `Failed` if it has no such user.

    The home is that of the environment, from which all paths of the registry are meant.
    """
    user = host.submit(["getent", "passwd", str(host.uid)])
    group = host.submit(["id", "--group", "--name"])
    return user.then(lambda found: _person(host, found, group))


def _person(host: Host, found: Result, group: Future[Result]) -> Person:
    parts = found.text.strip().split(":")
    if found.code or len(parts) < 7:
        raise Failed(f"no user of this host has uid {host.uid}", "run repoman as one that it has")
    name, _, uid, gid, _, _, shell = parts[:7]
    group_name = group.result().text.strip()
    return Person(name, int(uid), int(gid), group_name or name, host.home, shell or "/bin/sh")

"""Who works on a host, by its own user database."""

from __future__ import annotations

from repoman_tasks.errors import Failed
from repoman_tasks.hosts.base import Argv, Host
from repoman_tasks.model import Person

__all__ = ["find_person", "person_argv"]


def person_argv(host: Host) -> tuple[Argv, Argv]:
    """The words that look the user up, and those that name the group."""
    return ["getent", "passwd", str(host.uid)], ["id", "--group", "--name"]


def find_person(host: Host) -> Person:
    """The user that repoman runs as on `host`; `Failed` where it has none of that uid.

    The home is that of the environment, from which all paths of the registry are meant.
    """
    look_up, group_of = person_argv(host)
    found = host.read(look_up)
    parts = found.text.strip().split(":")
    if found.code or len(parts) < 7:
        raise Failed(f"no user of this host has uid {host.uid}", "run repoman as one that it has")
    group = host.read(group_of).text.strip()
    name, _, uid, gid, _, _, shell = parts[:7]
    return Person(name, int(uid), int(gid), group or name, host.home, shell or "/bin/sh")

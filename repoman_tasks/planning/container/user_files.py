"""The local user inside a container: what its databases have to say, whoever made the image.

The databases of accounts are of one form in Debian, Ubuntu, Fedora, Alpine and busybox (see
passwd(5), group(5), shadow(5)); the tools that edit them are not. So the texts themselves are
planned here, and no tool is needed inside.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from repoman_tasks.errors import Failed
from repoman_tasks.model import Person

__all__ = ["Arrangement", "UserFiles", "arrangement", "parse_user_files", "user_data"]

_SHELLS = ("/bin/bash", "/bin/sh")
"""What stands in for a login shell that the container has not."""
_FIELDS = {"passwd": 7, "group": 4, "shadow": 9}
_NO_PASSWORD = "*"
_DAY_ZERO = "19000"
"""The day of the last change of a password, which none is: any will do, but not none."""


@dataclass(frozen=True)
class UserFiles:
    """What was found in a container."""

    passwd: str
    group: str
    shadow: str
    shells: tuple[str, ...] = ()
    """Those of the shells asked for that can be run there."""
    home_owner: int | None = None
    """Owner of the home, None where there is none."""
    has_sudo: bool = False


@dataclass(frozen=True)
class Arrangement:
    """What is to be written in a container; an empty text leaves its file as it is."""

    passwd: str = ""
    group: str = ""
    shadow: str = ""
    home: bool = False
    """The home is to be made, or given to the user."""
    sudo: bool = False

    @property
    def nothing(self) -> bool:
        """Whether all is as it should be."""
        return self == Arrangement()


def parse_user_files(said: bytes) -> UserFiles:
    """Read what the look inside printed: texts, each ended by a NUL. It may be hostile."""
    parts = said.decode(errors="replace").split("\0")
    if len(parts) != 7:
        raise Failed("the container gave a strange account of its users", "look into it")
    passwd, group, shadow, shells, owner, sudo, _ = parts
    home_owner = int(owner) if owner.isascii() and owner.isdigit() else None
    return UserFiles(passwd, group, shadow, tuple(shells.split()), home_owner, sudo == "yes")


def arrangement(guest: UserFiles, person: Person) -> Arrangement:
    """What makes the user in `guest` the same as `person`; nothing where it is."""
    shell = _shell(guest, person)
    users = _rows(guest.passwd, "passwd")
    old = [row for row in users if _is_theirs(row, person)]
    group = _group(guest.group, person, [row[0] for row in old])
    user = [person.name, "x", str(person.uid), str(person.gid), "", person.home, shell]
    if old:
        user[4] = old[0][4]
    passwd = _with(users, user, old)
    shadow = _shadow(guest.shadow, person, [row[0] for row in old])
    return Arrangement(
        passwd="" if passwd == users else _text(passwd),
        group="" if group == _rows(guest.group, "group") else _text(group),
        shadow="" if shadow == _rows(guest.shadow, "shadow") else _text(shadow),
        home=guest.home_owner != person.uid,
        sudo=guest.has_sudo,
    )


def _shell(guest: UserFiles, person: Person) -> str:
    return next((s for s in (person.shell, *_SHELLS) if s in guest.shells), "/bin/sh")


def _is_theirs(row: Sequence[str], person: Person) -> bool:
    return row[0] == person.name or (len(row) > 2 and row[2] == str(person.uid))


def _rows(text: str, kind: str) -> list[list[str]]:
    """The lines of a database, in their fields; what is no line of it is left out."""
    rows = [line.split(":") for line in text.splitlines()]
    return [row for row in rows if len(row) == _FIELDS[kind] and row[0]]


def _text(rows: Sequence[Sequence[str]]) -> str:
    return "".join(":".join(row) + "\n" for row in rows)


def _with(
    rows: list[list[str]], desired: list[str], instead_of: list[list[str]]
) -> list[list[str]]:
    """`rows` with `desired` in the place of the first of those that it replaces, or at the end."""
    if not instead_of:
        return [*rows, desired]
    first = instead_of[0]
    return [
        desired if row is first else row
        for row in rows
        if row is first or not any(row is other for other in instead_of)
    ]


def _group(text: str, person: Person, old_names: Sequence[str]) -> list[list[str]]:
    """The groups, with one of the person's gid, and the user's old name replaced in them all."""
    rows = []
    for name, password, gid, members in _rows(text, "group"):
        names = [person.name if m in old_names else m for m in members.split(",") if m]
        if gid == str(person.gid) and name in old_names:
            name = person.group
        rows.append([name, password, gid, ",".join(dict.fromkeys(names))])
    if not any(row[2] == str(person.gid) for row in rows):
        taken = {row[0] for row in rows}
        possible = (person.group, person.name, f"{person.name}-{person.gid}")
        name = next(n for n in possible if n not in taken or n == possible[-1])
        rows.append([name, "x", str(person.gid), ""])
    return rows


def _shadow(text: str, person: Person, old_names: Sequence[str]) -> list[list[str]]:
    rows = _rows(text, "shadow")
    if not rows:  # a system without shadow passwords
        return []
    old = [row for row in rows if row[0] in (*old_names, person.name)]
    fresh = [person.name, _NO_PASSWORD, _DAY_ZERO, "0", "99999", "7", "", "", ""]
    return _with(rows, [person.name, *old[0][1:]] if old else fresh, old)


def user_data(person: Person) -> dict[str, Any]:
    """The same user for cloud-init, as its cloud-config (see its modules bootcmd, users).

    An image may have the uid already; then that user is renamed before cloud-init looks.
    """
    rename = (
        'old=$(getent passwd "$1" | cut -d: -f1); '
        '[ -z "$old" ] || [ "$old" = "$2" ] || '
        '{ usermod --login "$2" "$old" && groupmod --new-name "$3" "$old"; } || true'
    )
    argv = ["sh", "-c", rename, "sh", str(person.uid), person.name, person.group]
    user = {
        "name": person.name,
        "uid": person.uid,
        "homedir": person.home,
        "shell": person.shell,
        "lock_passwd": True,
        "no_user_group": False,
        "sudo": "ALL=(ALL) NOPASSWD:ALL",
    }
    return {"bootcmd": [argv], "users": [user], "ssh_pwauth": False}

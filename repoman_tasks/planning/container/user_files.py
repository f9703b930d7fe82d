"""User entries in passwd, group and shadow of a container. Pure.

These files have the same format in Debian, Ubuntu, Fedora, Alpine and busybox (passwd(5), group(5),
shadow(5)), but the tools that edit them differ. So the new contents are computed here, and nothing
has to be installed in the container.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from repoman_tasks.errors import Failed
from repoman_tasks.late_dataclass import dataclass
from repoman_tasks.model import Person

__all__ = ["UserChanges", "UserFiles", "parse_user_files", "plan_user", "user_data"]

_FALLBACK_SHELLS = ("/bin/bash", "/bin/sh")
"""Login shells for a container that lacks the person's."""
_FIELDS = {"passwd": 7, "group": 4, "shadow": 9}
_NO_PASSWORD = "*"
_LAST_CHANGE = "19000"
"""Day of the last password change. There was none, but without a day some tools demand one."""


@dataclass(frozen=True)
class UserFiles:
    """Contents of a container's user databases, and the facts that belong to them."""

    passwd: str
    group: str
    shadow: str
    shells: tuple[str, ...] = ()
    """Executable ones of the shells that were looked for."""
    home_owner: int | None = None
    """Uid that owns the home directory; None if it does not exist."""
    has_sudo: bool = False


@dataclass(frozen=True)
class UserChanges:
    """Changes that set up the user in a container; an empty text leaves its file unchanged."""

    passwd: str = ""
    group: str = ""
    shadow: str = ""
    home: bool = False
    """True to create the home directory, or to give it to the user."""
    sudo: bool = False

    @property
    def empty(self) -> bool:
        """True if there is nothing to change."""
        return self == UserChanges()


def parse_user_files(output: bytes) -> UserFiles:
    """Parse the NUL-terminated texts that a container printed; they may be hostile.

    Raise Failed if their number is wrong.
    """
    parts = output.decode(errors="replace").split("\0")
    if len(parts) != 7:
        raise Failed(
            "the container's user databases can't be parsed",
            "check /etc/passwd, /etc/group and /etc/shadow in it",
        )
    passwd, group, shadow, shells, owner, sudo, _ = parts
    home_owner = int(owner) if owner.isascii() and owner.isdigit() else None
    return UserFiles(passwd, group, shadow, tuple(shells.split()), home_owner, sudo == "yes")


def plan_user(files: UserFiles, person: Person) -> UserChanges:
    """Return the changes that give the container a user with name and ids of `person`."""
    shell = _shell(files, person)
    users = _rows(files.passwd, "passwd")
    old = [row for row in users if _is_theirs(row, person)]
    group = _group(files.group, person, [row[0] for row in old])
    user = [person.name, "x", str(person.uid), str(person.gid), "", person.home, shell]
    if old:
        user[4] = old[0][4]
    passwd = _replace_rows(users, user, old)
    shadow = _shadow(files.shadow, person, [row[0] for row in old])
    return UserChanges(
        passwd="" if passwd == users else _text(passwd),
        group="" if group == _rows(files.group, "group") else _text(group),
        shadow="" if shadow == _rows(files.shadow, "shadow") else _text(shadow),
        home=files.home_owner != person.uid,
        sudo=files.has_sudo,
    )


def _shell(files: UserFiles, person: Person) -> str:
    candidates = (person.shell, *_FALLBACK_SHELLS)
    return next((shell for shell in candidates if shell in files.shells), "/bin/sh")


def _is_theirs(row: Sequence[str], person: Person) -> bool:
    return row[0] == person.name or (len(row) > 2 and row[2] == str(person.uid))


def _rows(text: str, kind: str) -> list[list[str]]:
    """Split the lines of a database into fields, skipping malformed lines."""
    rows = [line.split(":") for line in text.splitlines()]
    return [row for row in rows if len(row) == _FIELDS[kind] and row[0]]


def _text(rows: Sequence[Sequence[str]]) -> str:
    return "".join(":".join(row) + "\n" for row in rows)


def _replace_rows(
    rows: list[list[str]], new: list[str], replaced: list[list[str]]
) -> list[list[str]]:
    """Return `rows` with `new` in place of the first of the `replaced`, or at the end if none."""
    if not replaced:
        return [*rows, new]
    first = replaced[0]
    return [
        new if row is first else row
        for row in rows
        if row is first or not any(row is other for other in replaced)
    ]


def _group(text: str, person: Person, old_names: Sequence[str]) -> list[list[str]]:
    """Return the groups, one with the person's gid, and with the user's old names replaced."""
    rows = []
    for name, password, gid, members in _rows(text, "group"):
        names = [person.name if m in old_names else m for m in members.split(",") if m]
        if gid == str(person.gid) and name in old_names:
            name = person.group
        rows.append([name, password, gid, ",".join(dict.fromkeys(names))])
    if not any(row[2] == str(person.gid) for row in rows):
        taken = {row[0] for row in rows}
        candidates = (person.group, person.name, f"{person.name}-{person.gid}")
        name = next(n for n in candidates if n not in taken or n == candidates[-1])
        rows.append([name, "x", str(person.gid), ""])
    return rows


def _shadow(text: str, person: Person, old_names: Sequence[str]) -> list[list[str]]:
    rows = _rows(text, "shadow")
    if not rows:  # a system without shadow passwords
        return []
    old = [row for row in rows if row[0] in (*old_names, person.name)]
    new = [person.name, _NO_PASSWORD, _LAST_CHANGE, "0", "99999", "7", "", "", ""]
    return _replace_rows(rows, [person.name, *old[0][1:]] if old else new, old)


def user_data(person: Person) -> dict[str, Any]:
    """Return the cloud-config that creates the same user by cloud-init.

    An image may have a user with that uid already; bootcmd renames it, because it runs before
    cloud-init's module users.
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

"""Id map of the containers: only one user's uid and gid are mapped unchanged. Pure."""

from __future__ import annotations

from repoman_tasks.model import Person
from repoman_tasks.planning.fence.fence_facts import FenceFacts
from repoman_tasks.planning.steps import AsRoot

__all__ = ["container_ids_fault", "container_ids_steps", "idmap", "missing_subids", "subid_step"]
__all__ += ["subids_left"]

_MOST_IDS = 1 << 16
"""Ids that a container has at least: Incus passes over shorter ranges."""
_IDS = 1_000_000
"""Ids for all containers, and the first of them, if root has none."""


def missing_subids(facts: FenceFacts) -> list[str]:
    """Return the lines missing in /etc/subuid and /etc/subgid, such as "subuid root:1000:1"."""
    return [
        f"{name} root:{number}:1"
        for name, text, number in _files(facts)
        if text is not None and not _allows(text, number)
    ]


def subids_left(
    person: Person, subuid: str | None, subgid: str | None
) -> tuple[tuple[str, ...], ...]:
    """Return the argvs that remove, as root, the permission for Incus to map the ids of `person`.

    A line of `subid_step` looks like one of somebody else.
    """
    found = (("subuid", subuid, person.uid), ("subgid", subgid, person.gid))
    return tuple(
        ("sed", "-i", f"/^root:{number}:1$/d", f"/etc/{name}")
        for name, text, number in found
        if f"root:{number}:1" in (text or "").splitlines()
    )


def _files(facts: FenceFacts) -> tuple[tuple[str, str | None, int], ...]:
    """Return the name of each file, its content, and the person's id of that kind."""
    person = facts.person
    return ("subuid", facts.subuid, person.uid), ("subgid", facts.subgid, person.gid)


def _allows(text: str, number: int) -> bool:
    """Return True if a line `root:FIRST:COUNT` lets root map the id `number` (subuid(5)).

    The ids that Incus itself gives to containers do not count: it maps none of them twice.
    """
    return any(number in ids for ids in _ranges(text) if len(ids) < _MOST_IDS)


def _ranges(text: str) -> list[range]:
    """Return the ids that root may map."""
    found = []
    for line in text.splitlines():
        parts = line.split(":")
        if len(parts) == 3 and parts[0] in ("root", "0") and "".join(parts[1:]).isdigit():
            first, count = int(parts[1]), int(parts[2])
            found.append(range(first, first + count))
    return found


def container_ids_steps(facts: FenceFacts) -> list[AsRoot]:
    """Return the steps after which root has ids for containers, and that of the person is none.

    Incus takes the first range of at least 65,536 ids. A person of a directory service can have a
    uid in it, and then Incus can't map that; without such a range it starts no container.
    """
    why = "to give Incus ids for containers, none of them yours; then restart Incus"
    steps = []
    for name, text, number in _files(facts):
        ids = _container_ids(text)
        if text is not None and (ids is None or number in ids):
            new = _ids_without(number, ids)
            steps.append(AsRoot(_replace_ids(name, ids, new) if ids else _add_ids(name, new), why))
    return steps


def _container_ids(text: str | None) -> range | None:
    """Return the ids that Incus gives to containers."""
    return next((ids for ids in _ranges(text or "") if len(ids) >= _MOST_IDS), None)


def _add_ids(name: str, ids: range) -> tuple[str, ...]:
    return ("usermod", f"--add-{name}s", f"{ids.start}-{ids.stop - 1}", "root")


def _replace_ids(name: str, ids: range, new: range) -> tuple[str, ...]:
    """Return the argv that replaces a range: usermod takes none from a user who is logged in."""
    old = f"^(root|0):{ids.start}:{len(ids)}$"
    return ("sed", "-E", "-i", f"s/{old}/\\1:{new.start}:{len(new)}/", f"/etc/{name}")


def _ids_without(number: int, ids: range | None) -> range:
    """Return ids for containers that leave out `number`, if possible a part of `ids`."""
    parts = [range(ids.start, number), range(number + 1, ids.stop)] if ids else []
    parts += [range(first, first + _IDS) for first in (_IDS, 4 * _IDS)]
    return next(part for part in parts if len(part) >= _MOST_IDS and number not in part)


def container_ids_fault(facts: FenceFacts) -> str:
    """Return what is wrong with the ids that Incus has for containers; empty if nothing is."""
    for name, text, number in _files(facts):
        ids = _container_ids(text)
        if text is not None and ids is None:
            return f"/etc/{name} has no range of {_MOST_IDS} ids or more for root"
        if ids is not None and number in ids:
            kind = name.removeprefix("sub")
            return f"your {kind} {number} is one of the ids of containers in /etc/{name}"
    return ""


def idmap(person: Person) -> str:
    """Return the value of Incus's `raw.idmap` that maps only the ids of `person`."""
    if person.uid == person.gid:
        return f"both {person.uid} {person.uid}"
    return f"uid {person.uid} {person.uid}\ngid {person.gid} {person.gid}"


def subid_step(person: Person) -> AsRoot:
    """Return the step that permits Incus to map the ids of `person`."""
    uids = ("--add-subuids", f"{person.uid}-{person.uid}")
    gids = ("--add-subgids", f"{person.gid}-{person.gid}")
    return AsRoot(
        ("usermod", *uids, *gids, "root"), "to permit Incus to map your uid and gid into containers"
    )

"""Id map of the containers: only one user's uid and gid are mapped unchanged. Pure."""

from __future__ import annotations

from repoman_tasks.model import Person
from repoman_tasks.planning.fence.fence_facts import FenceFacts
from repoman_tasks.planning.steps import AsRoot

__all__ = ["idmap", "missing_subids", "subid_step"]


def missing_subids(facts: FenceFacts) -> list[str]:
    """Return the lines missing in /etc/subuid and /etc/subgid, such as "subuid root:1000:1"."""
    person = facts.person
    files = (("subuid", facts.subuid, person.uid), ("subgid", facts.subgid, person.gid))
    return [
        f"{name} root:{number}:1"
        for name, text, number in files
        if text is not None and not _allows(text, number)
    ]


def _allows(text: str, number: int) -> bool:
    """Return True if a line `root:FIRST:COUNT` lets root map the id `number` (subuid(5))."""
    for line in text.splitlines():
        parts = line.split(":")
        if len(parts) == 3 and parts[0] in ("root", "0") and "".join(parts[1:]).isdigit():
            first, count = int(parts[1]), int(parts[2])
            if first <= number < first + count:
                return True
    return False


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

"""The map of ids: one user's own uid and gid pass into the containers, nobody else's. Pure."""

from __future__ import annotations

from repoman_tasks.model import Person
from repoman_tasks.planning.fence.fence_facts import FenceFacts
from repoman_tasks.planning.steps import AsRoot

__all__ = ["allow_ids", "idmap", "missing_ids"]


def missing_ids(facts: FenceFacts) -> list[str]:
    """The lines that /etc/subuid and /etc/subgid lack, as "subuid root:1000:1"."""
    person = facts.person
    files = (("subuid", facts.subuid, person.uid), ("subgid", facts.subgid, person.gid))
    return [
        f"{name} root:{number}:1"
        for name, text, number in files
        if text is not None and not _allows(text, number)
    ]


def _allows(text: str, number: int) -> bool:
    """Whether root may map `number`, by a line `root:FIRST:COUNT` (see subuid(5))."""
    for line in text.splitlines():
        parts = line.split(":")
        if len(parts) == 3 and parts[0] in ("root", "0") and "".join(parts[1:]).isdigit():
            first, count = int(parts[1]), int(parts[2])
            if first <= number < first + count:
                return True
    return False


def idmap(person: Person) -> str:
    """Incus's `raw.idmap` that lets `person` through, and nobody else."""
    if person.uid == person.gid:
        return f"both {person.uid} {person.uid}"
    return f"uid {person.uid} {person.uid}\ngid {person.gid} {person.gid}"


def allow_ids(person: Person) -> AsRoot:
    """The step after which Incus may let `person` through."""
    uids = ("--add-subuids", f"{person.uid}-{person.uid}")
    gids = ("--add-subgids", f"{person.gid}-{person.gid}")
    return AsRoot(
        ("usermod", *uids, *gids, "root"), "so that Incus may let your own uid and gid through"
    )

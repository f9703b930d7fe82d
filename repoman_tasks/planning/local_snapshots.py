"""Snapshots of a project on its host: what there is, and the steps that take and remove them. Pure.

A snapshot has up to three parts of the same name: one of the container and one of the volume, which
Incus keeps, and a copy of the repo in repoman's state, which no container can write. What `undo`
replaced is kept in the same form.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import field
from urllib.parse import unquote

from repoman_tasks.errors import Failed, Refused, UsageError, quoted
from repoman_tasks.late_dataclass import dataclass
from repoman_tasks.model import Registry
from repoman_tasks.planning.container.spec import Container
from repoman_tasks.planning.findings import Finding
from repoman_tasks.planning.steps import DeleteSnapshot, Step, TakeSnapshot
from repoman_tasks.planning.text.wording import format_size, hours_since

__all__ = [
    "MOST_COPIED",
    "MOST_DAYS",
    "MOST_KEPT",
    "Copy",
    "LocalSnapshot",
    "SnapshotFacts",
    "check_removable",
    "closed_note",
    "find_local_snapshot",
    "foreign_names",
    "incus_name",
    "is_id",
    "kept_findings",
    "kept_note",
    "own_ids",
    "removal_steps",
    "snapshot_steps",
    "surplus",
    "time_of",
    "unowned_findings",
    "unused_id",
]

MOST_KEPT, MOST_DAYS = 10, 30
"""Number of snapshots of a project beyond which the oldest goes, and their greatest age.

Those that a person took and those of before an agent's sessions are counted apart.
"""
MOST_COPIED = 1 << 30
"""Size in bytes up to which a repo is copied even if the copy shares no data with it."""
CHEAP_DRIVERS = ("btrfs",)
"""Drivers of pools whose snapshots share data, and can be gone back to in any order."""

_PREFIX = "repoman-"
_KEPT, _AUTOMATIC = "undo-", "agent-"
"""Prefixes of the ids of what undo replaced, and of snapshots of before an agent's session."""
_ID = re.compile(r"(?:undo-|agent-)?(\d{8})T(\d{6})Z(?:-(\d+))?")


@dataclass(frozen=True)
class Copy:
    """Part of a snapshot, or of what an undo replaced, that is in repoman's state."""

    id: str
    bytes: int = 0
    at: str = ""
    """The snapshot that an undo goes back to; empty for a snapshot."""
    parts: tuple[str, ...] = ()
    """Parts that an undo takes back: container, volume, repo."""
    ran: bool = False
    """True if the container ran when the undo began."""
    done: bool = True
    """False until the undo is complete."""

    @property
    def kept(self) -> bool:
        """True if it is what an undo replaced."""
        return self.id.startswith(_KEPT)


@dataclass(frozen=True)
class LocalSnapshot:
    """Snapshot of a project, or what an undo replaced, and the parts that it has."""

    id: str
    container: bool = False
    volume: bool = False
    copy: Copy | None = None

    @property
    def kept(self) -> bool:
        """True if it is what an undo replaced."""
        return self.id.startswith(_KEPT)

    @property
    def automatic(self) -> bool:
        """True if it was taken before an agent's session."""
        return self.id.startswith(_AUTOMATIC)

    @property
    def repo(self) -> bool:
        """True if it has a copy of the repo."""
        return self.copy is not None and not self.kept

    @property
    def parts(self) -> tuple[str, ...]:
        """Names of the parts that can be gone back to."""
        found = {"container": self.container, "volume": self.volume, "repo": self.repo}
        return tuple(part for part, there in found.items() if there)


@dataclass(frozen=True)
class SnapshotFacts:
    """Facts about one project and its snapshots on its host."""

    name: str
    folder: str
    """Folder of its copies in repoman's state."""
    repo: str = ""
    """Path of its repo; empty if that is missing."""
    repo_bytes: int | None = None
    """Space that the repo takes; None if it could not be counted in time."""
    container: Container | None = None
    drivers: Mapping[str, str] = field(default_factory=dict)
    """Driver of each storage pool."""
    volume_pool: str = ""
    """Pool of its volume; empty if it has none."""
    in_container: tuple[str, ...] = ()
    """Ids of the snapshots that Incus has of the container."""
    in_volume: tuple[str, ...] = ()
    copies: tuple[Copy, ...] = ()
    left: tuple[str, ...] = ()
    """Ids of copies that are not complete."""

    @property
    def snapshots(self) -> list[LocalSnapshot]:
        """All snapshots, and all that undo replaced, the oldest first."""
        copies = {copy.id: copy for copy in self.copies}
        ids = {*self.in_container, *self.in_volume, *copies}
        return [
            LocalSnapshot(id, id in self.in_container, id in self.in_volume, copies.get(id))
            for id in sorted(ids, key=_order)
        ]

    @property
    def unfinished(self) -> tuple[Copy, ...]:
        """The tries of an undo that has not ended, the newest last."""
        return _unfinished(self.copies)

    def is_cheap(self, pool: str) -> bool:
        """Return True if snapshots in `pool` share data, and can be gone back to in any order."""
        return self.drivers.get(pool, "") in CHEAP_DRIVERS


# --- names ----------------------------------------------------------------------------------


def time_of(id: str) -> str:
    """Return when the snapshot `id` was taken, in the registry's format."""
    found = _ID.fullmatch(id)
    assert found, id
    date, clock, _ = found.groups()
    return f"{date[:4]}-{date[4:6]}-{date[6:]}T{clock[:2]}:{clock[2:4]}:{clock[4:]}Z"


def _order(id: str) -> tuple[str, int, str]:
    """Return what sorts ids by time, those of one second by their number."""
    found = _ID.fullmatch(id)
    return time_of(id), int(found[3] or 0) if found else 0, id


def _unfinished(copies: Iterable[Copy]) -> tuple[Copy, ...]:
    return tuple(sorted((one for one in copies if not one.done), key=lambda one: _order(one.id)))


def unused_id(
    now: str, taken: Collection[str], *, kept: bool = False, automatic: bool = False
) -> str:
    """Return the id of a snapshot taken `now`, that is none of `taken`.

    `kept` is for what an undo replaces, `automatic` for one of before an agent's session.
    """
    plain = (_KEPT if kept else _AUTOMATIC if automatic else "") + now.translate(
        {ord(sign): None for sign in "-:"}
    )
    numbered = (f"{plain}-{number}" for number in range(2, len(taken) + 3))
    return plain if plain not in taken else next(id for id in numbered if id not in taken)


def incus_name(id: str) -> str:
    """Return the name that Incus has for the snapshot `id`."""
    return _PREFIX + id


def own_ids(urls: Iterable[str]) -> tuple[str, ...]:
    """Return the ids of repoman's own among snapshots, whose paths in Incus's API are `urls`."""
    return tuple(name.removeprefix(_PREFIX) for name in _names(urls) if _is_own(name))


def foreign_names(urls: Iterable[str]) -> tuple[str, ...]:
    """Return the names of those snapshots that are not repoman's own."""
    return tuple(name for name in _names(urls) if not _is_own(name))


def _names(urls: Iterable[str]) -> list[str]:
    return [unquote(url.partition("?")[0].rpartition("/")[2]) for url in urls]


def _is_own(name: str) -> bool:
    return name.startswith(_PREFIX) and is_id(name.removeprefix(_PREFIX))


def is_id(text: str) -> bool:
    """Return True if `text` has the form of an id."""
    return _ID.fullmatch(text) is not None


def find_local_snapshot(facts: SnapshotFacts, at: str) -> LocalSnapshot:
    """Return the snapshot called `at`, or the newest if it is empty.

    Raise Failed if there is none.
    """
    taken = f"take one with `repoman snapshot {quoted(facts.name)}`"
    shown = f"see `repoman snapshot list {quoted(facts.name)}`"
    snapshots = facts.snapshots
    if at:
        found = next((one for one in snapshots if one.id == at and one.parts), None)
        if found is None:
            raise Failed(f"{facts.name} has no snapshot {at!r}", shown)
        return found
    newest = [one for one in snapshots if not one.kept]
    if not newest:
        raise Failed(f"{facts.name} has no snapshot", taken)
    return newest[-1]


# --- steps ----------------------------------------------------------------------------------


def snapshot_steps(
    facts: SnapshotFacts, now: str, *, automatic: bool = False
) -> tuple[list[Step], list[str]]:
    """Return the steps that take a snapshot `now` and remove the oldest, and what is not in it.

    `automatic` is for one of before an agent's session. Raise Refused if nothing can be in it.
    """
    missing = _missing_parts(facts)
    pool = facts.volume_pool if facts.is_cheap(facts.volume_pool) else ""
    container = facts.container is not None and facts.is_cheap(facts.container.pool)
    if not (container or pool or facts.repo):
        raise Refused(f"nothing of {facts.name} can be in a snapshot", "; ".join(missing))
    taken = {*(one.id for one in facts.snapshots), *facts.left}
    id = unused_id(now, taken, automatic=automatic)
    take = TakeSnapshot(
        *(facts.name, id, container, pool, facts.repo, f"{facts.folder}/{id}"),
        has_container=facts.container is not None,
        may_copy=facts.repo_bytes is not None and facts.repo_bytes <= MOST_COPIED,
    )
    left = [DeleteSnapshot(facts.name, id, folder=f"{facts.folder}/{id}") for id in facts.left]
    needed = {copy.at for copy in facts.unfinished}
    found = surplus(facts.snapshots, now, automatic=automatic)
    too_many = [one for one in found if one not in needed]
    return [*left, take, *removal_steps(facts, too_many)], missing


def _missing_parts(facts: SnapshotFacts) -> list[str]:
    """Return sentences about the parts that a snapshot of the project can't have."""
    found = []
    pools = {
        "container": facts.container.pool if facts.container else "",
        "volume": facts.volume_pool,
    }
    for part, pool in pools.items():
        if pool and not facts.is_cheap(pool):
            driver = facts.drivers.get(pool, "unknown")
            found.append(
                f"the {part} is not in it: a pool of the driver {driver} has no snapshots that "
                "share data and can be gone back to in any order, one of btrfs has"
            )
    if not facts.repo:
        found.append("the repo is not in it: it is missing")
    return found


def closed_note(repo: str, paths: Sequence[str]) -> str:
    """Return the note about `paths` in the repo that can't be read, so that a snapshot lacks them.

    It shows five of them.
    """
    shown = quoted(*paths[:5]) + (f" and {len(paths) - 5} more" if paths[5:] else "")
    return f"not in the snapshot of {repo}, as it can't be read, and left as it is by undo: {shown}"


def surplus(snapshots: Sequence[LocalSnapshot], now: str, *, automatic: bool) -> list[str]:
    """Return the ids of the snapshots that are too many, beside a new one, or too old.

    An `automatic` one pushes out only such ones. The newest stays, however old it is by a clock
    that may be wrong, and what undo replaced stays until it is forgotten.
    """
    found = set[str]()
    for kind in (True,) if automatic else (True, False):
        own = [one.id for one in snapshots if not one.kept and one.automatic is kind]
        found |= {*own[: max(0, len(own) + (kind is automatic) - MOST_KEPT)]}
        found |= {id for id in own[:-1] if hours_since(time_of(id), now) > MOST_DAYS * 24}
    return [one.id for one in snapshots if one.id in found]


def removal_steps(facts: SnapshotFacts, ids: Sequence[str]) -> list[Step]:
    """Return the steps that remove the snapshots called `ids`, with all of their parts."""
    found = {one.id: one for one in facts.snapshots}
    return [
        DeleteSnapshot(
            *(facts.name, id, found[id].container),
            facts.volume_pool if found[id].volume else "",
            f"{facts.folder}/{id}" if found[id].copy else "",
        )
        for id in ids
    ]


def check_removable(facts: SnapshotFacts, ids: Sequence[str]) -> None:
    """Raise an error if one of `ids` is no snapshot, or one that an unfinished undo needs."""
    for id in ids:
        if find_local_snapshot(facts, id).kept:
            cure = f"delete it with `repoman undo {quoted(facts.name)} --forget`"
            raise UsageError(f"{id} is what undo replaced", cure)
        if any(copy.at == id for copy in facts.unfinished):
            cure = f"run `repoman undo {quoted(facts.name)}`"
            raise Refused(f"an undo of {facts.name} to {id} did not end", cure)


# --- findings -------------------------------------------------------------------------------


def kept_note(copies: Iterable[Copy]) -> str:
    """Return a phrase about what undo replaced; empty if nothing is kept."""
    kept = [copy for copy in copies if copy.kept]
    if any(not copy.done for copy in kept):
        return "an undo did not end"
    if not kept:
        return ""
    return f"undo keeps what it replaced, {format_size(sum(copy.bytes for copy in kept))} of files"


def unowned_findings(copies: Mapping[str, Sequence[Copy]], registry: Registry) -> list[Finding]:
    """Return the findings about `copies` of repos, by project, for which there is no project."""
    known = {name for one in registry.projects for name in (one.name, one.renaming)}
    what = "copies of its repo that snapshots made are left, and there is no such project any more"
    cures = {name: f"delete them with `repoman remove {quoted(name)}`" for name in sorted(copies)}
    return [
        Finding(name, what, cure, problem=False, kind="copies")
        for name, cure in cures.items()
        if name not in known
    ]


def kept_findings(name: str, copies: Sequence[Copy], folder: str) -> list[Finding]:
    """Return the findings about what undo replaced of the project called `name`.

    `folder` has its copies.
    """
    kept = [copy for copy in copies if copy.kept]
    begun = _unfinished(kept)
    if begun:
        what, cure = f"an undo to {begun[-1].at} did not end", f"run `repoman undo {quoted(name)}`"
        return [Finding(name, what, cure, kind="undo")]
    if not kept:
        return []
    size = format_size(sum(copy.bytes for copy in kept))
    what = f"what undo replaced is kept, {size} of files, in {folder}/{_KEPT}*"
    cure = f"if it is not needed, delete it with `repoman undo {quoted(name)} --forget`"
    return [Finding(name, what, cure, problem=False, kind="kept")]

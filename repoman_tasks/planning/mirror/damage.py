"""Tells damage of a mirror from changes of its repo, and chooses samples to compare. Pure."""

from __future__ import annotations

import posixpath
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import field

from repoman_tasks.errors import ExitCode, RepomanError, quoted
from repoman_tasks.late_dataclass import dataclass
from repoman_tasks.model import Project, Verified
from repoman_tasks.planning.findings import Finding
from repoman_tasks.planning.mirror.known_mirrors import is_due
from repoman_tasks.planning.text.wording import plural

__all__ = [
    "ABSENT",
    "ATTRIBUTES",
    "DIFFERENT",
    "EXTRA",
    "FileSize",
    "Sample",
    "Verdict",
    "choose_samples",
    "damage_cure",
    "damage_findings",
    "due_for_proof",
    "is_damage",
    "proven_by",
    "valid_verified",
    "with_folders",
]

ABSENT, EXTRA, DIFFERENT, ATTRIBUTES = "missing", "extra", "different", "attributes"
"""Differences of an entry of a mirror from the repo's: it has none, only it has one, another
content or kind, other attributes."""

_MOST_DAMAGED = 100
"""The most paths to remember."""
_COST = 4096
"""The cost of comparing a file beside its bytes, in bytes."""


@dataclass
class Verdict:
    """The result of comparing a mirror with its repo."""

    name: str
    files: int = 0
    """Number of files that were compared."""
    damaged: dict[str, str] = field(default_factory=dict)
    """The kind of damage of each entry, by its path in the repo."""
    objects: list[str] = field(default_factory=list)
    """Complaints of git about objects in the mirror."""
    changed: int = 0
    """Number of entries that differ because the repo has changed since its last sync."""
    error: str = ""
    cure: str = ""
    code: ExitCode = ExitCode.OK
    verified: Verified = field(default_factory=Verified)
    seconds: float = 0.0

    def fail(self, error: RepomanError) -> None:
        """Take `error` as the reason why the mirror could not be compared."""
        self.error, self.cure = error.what, error.cure
        failed = error.code is ExitCode.FAILED
        self.code = ExitCode.SOME_FAILED if failed else error.code

    @property
    def well(self) -> bool:
        """True if nothing is damaged, and all could be compared."""
        return not (self.damaged or self.objects or self.error)


def with_folders(path: bytes) -> Iterator[bytes]:
    """Yield `path` and the folders above it, the last of which is empty: the repo itself."""
    while path:
        yield path
        path = posixpath.dirname(path)
    yield b""


def is_damage(
    path: bytes, how: str, absent: Collection[bytes], ctimes: Mapping[bytes, int], newest: int
) -> bool:
    """Return True if the repo has not changed `path` since its last sync, so the mirror has.

    `how` it differs; `absent` are the paths that the mirror lacks. `ctimes` are those of entries of
    the repo, and of the folders above them, in nanoseconds; `newest` is the newest ctime that the
    last sync saw there. Each change of an entry, and of the names in a folder, sets a newer one.
    """
    if how == EXTRA:
        parent = next((p for p in with_folders(path) if p in ctimes), b"")
        return ctimes.get(parent, newest + 1) <= newest
    if how == ABSENT:  # the folder above may have been moved here with all that is in it
        moved = [p for p in with_folders(path) if p in absent]
        return all(ctimes.get(p, newest + 1) <= newest for p in {path, *moved})
    return ctimes.get(path, newest + 1) <= newest


# --- samples ----------------------------------------------------------------------------------

FileSize = tuple[str, int]
"""Path of a file in the repo, and its bytes."""


@dataclass(frozen=True)
class Sample:
    """Files to compare together."""

    paths: tuple[str, ...]
    proven: int
    """Percentage of the round that is done after it."""
    after: str
    """Path after which the next one begins; empty if the round is complete."""


def choose_samples(
    files: Sequence[FileSize], after: str, percent: float, at_once: int
) -> Iterator[Sample]:
    """Yield the next `percent` of `files`, in the order of their paths, `at_once` in a sample.

    At least one is yielded. A round begins anew behind the last file.
    """
    ordered = sorted(files)
    total = sum(size + _COST for _, size in ordered)
    begin = next((n for n, (path, _) in enumerate(ordered) if path > after), 0)
    done = sum(size + _COST for _, size in ordered[:begin])
    limit = done + total * percent / 100
    for start in range(begin, max(len(ordered), 1), at_once):
        paths: list[str] = []
        for path, size in ordered[start : start + at_once]:
            if paths and done >= limit:
                break
            done += size + _COST
            paths.append(path)
        complete = start + len(paths) == len(ordered)
        proven = 100 if complete else min(99, done * 100 // total)
        yield Sample(tuple(paths), proven, "" if complete else paths[-1])
        if done >= limit:
            return


def proven_by(
    verdict: Verdict, project: Project, before: Verified, sample: Sample | None, now: str
) -> Verified:
    """Return what is proven after `verdict`, which compared a sample, or all if that is None."""
    compared = set(sample.paths if sample else before.damaged)
    kept = [path for path in before.damaged if path not in compared]
    damaged = tuple(dict.fromkeys([*kept, *verdict.damaged, *verdict.objects]))[:_MOST_DAMAGED]
    if sample is None or not sample.after:
        return Verified(now, 100, "", damaged, project.created)
    last = before.last_verified
    return Verified(last, sample.proven, sample.after, damaged, project.created)


def valid_verified(project: Project, verified: Verified | None) -> Verified:
    """Return what was proven of the mirror of `project`, nothing if it is of another project."""
    valid = verified is not None and verified.created == project.created
    return verified if verified is not None and valid else Verified()


def due_for_proof(
    projects: Sequence[Project], known: Mapping[str, Verified], now: str, every: int
) -> list[Project]:
    """Return those of `projects` that were not proven within `every` days, the oldest proof first.

    So the rounds of all go on where the last sync stopped.
    """
    last = {p.name: valid_verified(p, known.get(p.name)).last_verified for p in projects}
    due = [project for project in projects if is_due(project.name, last[project.name], now, every)]
    return sorted(due, key=lambda project: last[project.name])


def damage_findings(project: Project, verified: Verified) -> list[Finding]:
    """Return the finding about damage that was found in the mirror of `project`, if any."""
    if not verified.damaged:
        return []
    count = plural(len(verified.damaged), "entry differs", "entries differ")
    what = f"its mirror is damaged: {count}, though the repo did not change"
    cure = damage_cure(project.name)
    return [Finding(project.name, what, cure, kind="damaged", items=verified.damaged)]


def damage_cure(name: str) -> str:
    """Return how to mend the mirror of the project called `name`."""
    return (
        f"if the repo is right, run `repoman sync {quoted(name)} --checksum`, then "
        f"`repoman verify {quoted(name)}`; to compare them, `repoman restore {quoted(name)}`"
    )

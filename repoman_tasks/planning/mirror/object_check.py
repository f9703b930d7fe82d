"""Judge what a sync would do to the git objects in a mirror. Pure.

git names an object by its content, so that a file of a name has one right content: whatever else
takes its place is damage. An object may go if a pack holds it, or if nothing needs it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from repoman_tasks.errors import Refused, quoted
from repoman_tasks.late_dataclass import dataclass
from repoman_tasks.planning.mirror.manifest import Losses
from repoman_tasks.planning.text.wording import plural

__all__ = [
    "GitLosses",
    "check_any_ref",
    "check_commits",
    "check_kept_folder",
    "check_refs",
    "check_sound",
    "is_git_object",
    "losses_by_folder",
    "ref_ids",
]

_OBJECT = re.compile(
    rb"(?:(?P<folder>.*)/)?objects/"
    rb"(?:[0-9a-f]{2}/[0-9a-f]{38,62}|pack/pack-[0-9a-f]{40,64}\.(?P<pack>pack|idx))",
    re.DOTALL,
)
_REF = re.compile(
    rb"(?:(?P<folder>.*?)/)?(?P<ref>packed-refs|HEAD|refs/(?:heads|tags|stash).*)", re.DOTALL
)
_ID = re.compile(rb"[0-9a-f]{40}(?:[0-9a-f]{24})?(?![0-9a-f])")
_FEW_COMMITS = 10
"""Number of commits that may always go: a rebase leaves some behind, and git removes them later."""
_MOST_NAMED = 5


@dataclass(frozen=True)
class GitLosses:
    """Losses of one git directory of a mirror by a sync; paths are relative to the repo."""

    folder: bytes
    objects: frozenset[bytes] = frozenset()
    """Files of objects, loose or packed, that are replaced or gone."""
    fewer: bool = False
    """If true, the repo may hold fewer objects: not only loose ones are replaced."""
    refs: frozenset[bytes] = frozenset()
    """Files of refs that are replaced."""
    fewer_refs: bool = False
    """If true, the repo may hold fewer refs."""


def is_git_object(path: bytes) -> bool:
    """Return True if the file at `path` is one of git's objects, packs or indexes of packs."""
    return _OBJECT.fullmatch(path) is not None


def losses_by_folder(losses: Losses) -> list[GitLosses]:
    """Return what a sync would take from each git directory, by the names of the files."""
    objects: dict[bytes, set[bytes]] = {}
    refs: dict[bytes, set[bytes]] = {}
    fewer: set[bytes] = set()
    fewer_refs: set[bytes] = set()
    for path in losses.replaced | losses.gone:
        if match := _OBJECT.fullmatch(path):
            folder = match["folder"] or b""
            if match["pack"] != b"idx":  # its pack says more, and git writes it anew
                objects.setdefault(folder, set()).add(path)
                if path in losses.gone or match["pack"]:
                    fewer.add(folder)
        elif (match := _REF.fullmatch(path)) and not path.endswith(b".lock"):
            folder = match["folder"] or b""
            refs.setdefault(folder, set()).update({path} & losses.replaced)
            if path in losses.gone or match["ref"] == b"packed-refs":
                fewer_refs.add(folder)
    return [
        GitLosses(
            folder,
            frozenset(objects.get(folder, ())),
            folder in fewer,
            frozenset(refs.get(folder, ())),
            folder in fewer_refs,
        )
        for folder in sorted(objects.keys() | refs.keys())
    ]


def ref_ids(lines: Iterable[bytes]) -> frozenset[str]:
    """Return the ids of objects at the beginnings of lines of ref files."""
    found = filter(None, map(_ID.match, lines))
    return frozenset(match[0].decode() for match in found)


def check_kept_folder(name: str, path: str, *, there: bool, parent: bool) -> None:
    """Raise Refused if the `.git` at `path` is gone and its working tree is not.

    A folder that goes with its repo is a deletion like any other, and counted as one.
    """
    if not there and parent and path.endswith("/.git"):
        raise Refused(f"{path} is gone, its mirror holds git objects", _cure(name))


def check_sound(name: str, path: str, complaints: Iterable[str], *, broken: bool) -> None:
    """Raise Refused if objects of the git directory at `path` are damaged.

    `complaints` are those of `git fsck`; `broken` is true if an object is missing that a ref needs.
    """
    found = list(complaints)
    if not found and not broken:
        return
    why = "; ".join(found[:_MOST_NAMED]) or "an object that a ref needs is missing"
    raise Refused(f"git objects in {path} are damaged: {why}", _cure(name))


def check_commits(
    name: str, path: str, lost: int, kept: int, max_shrink: float, before: int = 0
) -> None:
    """Raise Refused if `lost` commits of the mirror are not in the git directory at `path`.

    `kept` commits are in both, and `before` are those that the mirror lost in the last days.
    """
    gone, all_of_them = lost + before, lost + kept + before
    if lost <= _FEW_COMMITS or gone <= all_of_them * max_shrink:
        return
    held = "that its mirror holds" if not before else "that its mirror held in the last days"
    what = f"{path} lost {plural(gone, 'commit')} of {all_of_them} {held}"
    raise Refused(f"{what} (max_shrink = {max_shrink:g})", _cure(name))


def check_refs(name: str, path: str, broken: Iterable[str]) -> None:
    """Raise Refused if refs of the git directory at `path` lead to nothing; `broken` names them."""
    found = sorted(broken)
    if found:
        what = ", ".join(found[:_MOST_NAMED])
        raise Refused(f"refs in {path} lead to no object: {what}", _cure(name))


def check_any_ref(name: str, path: str, now: int, before: int) -> None:
    """Raise Refused if the git directory at `path` has no ref to an object, and its mirror has."""
    if before and not now:
        raise Refused(f"{path} has no refs, its mirror has {before}", _cure(name))


def _cure(name: str) -> str:
    return (
        f"get the mirror's content by `repoman restore {quoted(name)}`; only if the repo is right, "
        f"`repoman sync {quoted(name)} --force` overwrites the history in the mirror"
    )

"""Judging a repo before it is mirrored: a source that lost its files must not empty the mirror."""

from __future__ import annotations

from repoman_tasks.errors import Refused
from repoman_tasks.model import Project, Tally
from repoman_tasks.planning.text.wording import plural

__all__ = ["before", "is_own", "judge", "judge_stop", "most_deletions"]

_ALWAYS_DELETABLE = 100
"""So many deletions are no accident that a limit has to stop; small repos change as a whole."""
_MANY_LOOSE = 200
"""From so many loose objects on, their loss without a new pack is no tidying up."""


def is_own(project: Project) -> bool:
    """Whether the mirror of `project` is one that repoman made for it, at that place."""
    return project.mirror == project.repo


def before(project: Project) -> Tally | None:
    """What the last sync of `project` counted, or None where there was none to this place."""
    if project.last_files is None or not is_own(project):
        return None
    return Tally(project.last_files, project.last_loose or 0, project.last_packs)


def judge(name: str, path: str, now: Tally, last: Tally | None, max_shrink: float) -> None:
    """`Refused` where the repo at `path` holds far less than `last`.

    That is what the last sync counted, or what the mirror holds where none is recorded.
    """
    if last is None:
        return
    cure = f"look at {path}; if it is as it should be: `repoman sync {name} --force`"
    if now.files == 0 and last.files:
        counted = plural(last.files, "file")
        raise Refused(f"{path} is empty, the last sync counted {counted}", cure)
    if now.files < last.files * (1 - max_shrink):
        raise Refused(
            f"{path} holds {plural(now.files, 'file')}, the last sync counted {last.files} "
            f"(max_shrink = {max_shrink:g})",
            cure,
        )
    unpacked = now.packs == last.packs and last.loose >= _MANY_LOOSE
    if unpacked and now.loose < last.loose * (1 - max_shrink):
        raise Refused(
            f"{path} holds {plural(now.loose, 'loose git object')} and no new pack, "
            f"the last sync counted {last.loose}",
            cure,
        )


def judge_stop(project: Project) -> None:
    """`Refused` where the last sync stopped at max_delete: no other does the rest unasked."""
    if project.stopped_at:
        raise Refused(
            f"the last sync, at {project.stopped_at}, stopped at max_delete",
            f"`repoman sync {project.name} --dry-run --force` lists the rest, "
            f"`repoman sync {project.name} --force` does it",
        )


def most_deletions(project: Project, last: Tally | None, max_shrink: float) -> int | None:
    """The most entries that one sync may delete, None for any number.

    The second line of defence, for what happens after `judge` looked. Loose git objects
    may go: a `git gc` packs them all. A folder that repoman did not make keeps everything.
    """
    if not is_own(project):
        return 0
    if project.max_delete is not None:
        return project.max_delete
    if last is None:
        return None
    return max(_ALWAYS_DELETABLE, int(last.files * max_shrink)) + 2 * last.loose

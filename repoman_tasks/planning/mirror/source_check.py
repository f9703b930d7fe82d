"""Checks before a sync, because a repo that lost its files must not empty its mirror. Pure."""

from __future__ import annotations

from repoman_tasks.errors import Refused, quoted
from repoman_tasks.model import Defaults, Mirrored, Project, Tally
from repoman_tasks.planning.text.wording import plural

__all__ = [
    "check_not_stopped",
    "check_shrinkage",
    "check_size",
    "deletion_limit",
    "has_own_mirror",
    "stopped_cure",
    "valid_state",
]

_ALWAYS_DELETABLE = 100
"""Number of deletions that are always allowed: small repos often change as a whole."""
_GIB = 1 << 30
_MANY_LOOSE = 200
"""Number of loose objects from which losing them without a new pack is suspicious."""


def check_size(
    name: str, path: str, size: int, entries: int, defaults: Defaults, project: Project
) -> None:
    """Raise Refused if the repo at `path` is too large to be copied; `size` is in bytes."""
    limits = {
        "max_size_gib": (f"{size / _GIB:.1f} GiB", size, _GIB),
        "max_entries": (plural(entries, "entry", "entries"), entries, 1),
    }
    for key, (shown, value, unit) in limits.items():
        own = getattr(project, key)
        limit = getattr(defaults, key) if own is None else own
        if value > limit * unit:
            raise Refused(
                f"{path} has {shown}, {key} is {limit}",
                f"delete or exclude what need not be mirrored, or raise {key} of {quoted(name)} in "
                "the registry",
            )


def has_own_mirror(project: Project) -> bool:
    """Return True if repoman created the mirror of `project`, at the place where it is now."""
    return project.mirror == project.repo


def valid_state(project: Project, state: Mirrored | None) -> Mirrored | None:
    """Return `state` if it is of the project's last sync to this mirror, else None.

    A registry or a state that was restored from a backup names another sync.
    """
    if state is None or not project.last_sync:
        return None
    if project.last_sync not in (state.last_sync, state.before):
        return None
    return state if has_own_mirror(project) else None


def check_shrinkage(
    name: str,
    path: str,
    tally: Tally,
    last: Tally | None,
    max_shrink: float,
    counted: str = "the last sync counted",
) -> None:
    """Raise Refused if the repo at `path` has shrunk by more than `max_shrink` since `last`.

    `last` is the tally of the last sync or, if none is recorded, of the mirror; `counted` says so.
    """
    if last is None:
        return
    if tally.files == 0 and last.files:
        files = plural(last.files, "file")
        raise Refused(f"{path} is empty, {counted} {files}", _restore_cure(name, files))
    if tally.files < last.files * (1 - max_shrink):
        raise Refused(
            f"{path} holds {plural(tally.files, 'file')}, {counted} {last.files} "
            f"(max_shrink = {max_shrink:g})",
            _restore_cure(name, plural(last.files - tally.files, "file")),
        )
    unpacked = tally.packs == last.packs and last.loose >= _MANY_LOOSE
    if unpacked and tally.loose < last.loose * (1 - max_shrink):
        raise Refused(
            f"{path} holds {plural(tally.loose, 'loose git object')} and no new pack, "
            f"{counted} {last.loose}",
            _restore_cure(name, plural(last.loose - tally.loose, "object")),
        )


def _restore_cure(name: str, gone: str) -> str:
    """Return the cure of a refusal: first what loses nothing. `gone` is what --force deletes."""
    return (
        f"get the mirror's content by `repoman restore {quoted(name)}`; only if the repo is right, "
        f"`repoman sync {quoted(name)} --force` makes the mirror as empty as the repo: {gone} go"
    )


def stopped_cure(name: str) -> str:
    """Return the cure if a sync of the project called `name` stopped at max_delete."""
    return (
        f"list the rest with `repoman sync {quoted(name)} --dry-run --force`; bring back what was "
        f"deleted by mistake with `repoman restore {quoted(name)}`, else let "
        f"`repoman sync {quoted(name)} --force` delete it from the mirror"
    )


def check_not_stopped(project: Project) -> None:
    """Raise Refused if the last sync stopped at max_delete: another one needs --force."""
    if project.stopped_at:
        what = f"the last sync, at {project.stopped_at}, stopped at max_delete"
        raise Refused(what, stopped_cure(project.name))


def deletion_limit(project: Project, last: Tally | None, max_shrink: float) -> int | None:
    """Return how many entries one sync may delete; None for any number.

    This guards against changes after `check_shrinkage`. All loose git objects may go, because
    `git gc` packs them. Nothing is deleted from a folder that repoman did not create.
    """
    if not has_own_mirror(project):
        return 0
    if project.max_delete is not None:
        return project.max_delete
    if last is None:
        return None
    return max(_ALWAYS_DELETABLE, int(last.files * max_shrink)) + 2 * last.loose

"""Runs a command on several projects, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from repoman_tasks.actions.facts import reconcile
from repoman_tasks.actions.project_container import resolve_project
from repoman_tasks.errors import Failed, Interrupted, RepomanError, UsageError, quoted
from repoman_tasks.session import Session

__all__ = ["check_all_or_named", "flags_of", "for_each", "named_containers"]


def check_all_or_named(names: Sequence[str], *, every: bool) -> None:
    """Raise UsageError if projects are named, and all are meant, too."""
    if every and names:
        raise UsageError("--all and names can't be combined", "choose one")


def named_containers(session: Session, names: Sequence[str], command: str) -> list[str]:
    """Return the names of projects with a container, each once; without any, the current project's.

    Raise UsageError if one does not exist or has no container.
    """
    facts, folder = session.of(reconcile), session.host.folder
    named: Sequence[str | None] = names or [None]
    chosen = [resolve_project(facts, name, folder, command)[0].name for name in named]
    return list(dict.fromkeys(chosen))


def for_each(
    session: Session,
    names: Sequence[str],
    change: Callable[[str], None],
    failure: str,
    command: str,
    flags: Sequence[str] = (),
) -> None:
    """Call `change` with each of `names`. If one fails, do the others, and raise Failed at the end.

    `failure` completes the sentence "1 of 3"; `command` with the failed names and `flags` is what
    to run again. The error of a single one is raised as it is. A prompt that is answered with no
    ends all.
    """
    if len(names) == 1:
        change(names[0])
        return
    failed = []
    for name in names:
        try:
            change(name)
        except Interrupted:
            raise
        except RepomanError as problem:
            session.screen.note(f"{name}: {problem}")
            failed.append(name)
    if failed:
        again = f"`repoman {quoted(command, *failed, *flags)}`"
        raise Failed(f"{len(failed)} of {len(names)} {failure}", f"see above, then run {again}")
    if not names:
        session.screen.line("nothing to do")


def flags_of(**flags: bool) -> list[str]:
    """Return the flags that are set, as they are typed."""
    return [f"--{name.replace('_', '-')}" for name, is_set in flags.items() if is_set]

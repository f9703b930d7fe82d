"""Runs a command on several projects, some of them at the same time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import Lock

from repoman_tasks.actions.facts import reconcile
from repoman_tasks.actions.project_container import resolve_project
from repoman_tasks.errors import Failed, Interrupted, RepomanError, UsageError, quoted
from repoman_tasks.session import Session

__all__ = ["Turn", "check_all_or_named", "flags_of", "for_each", "named_containers"]

_POLL_SECONDS = 0.1


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
    change: Callable[[Session, str], None],
    failure: str,
    command: str,
    flags: Sequence[str] = (),
    *,
    at_once: bool = True,
) -> None:
    """Call `change` with each of `names`. If one fails, do the others, and raise Failed at the end.

    If `at_once`, several are called at the same time, each in a thread and with a session of its
    own; each leaves one line. `failure` completes the sentence "1 of 3"; `command` with the failed
    names and `flags` is what to run again. The error of a single one is raised as it is. A prompt
    that is answered with no ends all.
    """
    if len(names) == 1:
        change(session, names[0])
        return
    if at_once and not session.dry:  # which prints command lines as they come
        from repoman_tasks.actions.worker_threads import change_at_once

        failed = change_at_once(session, names, change)
    else:
        failed = _change_in_turn(session, names, change)
    if failed:
        again = f"`repoman {quoted(command, *failed, *flags)}`"
        raise Failed(f"{len(failed)} of {len(names)} {failure}", f"see above, then run {again}")
    if not names:
        session.screen.line("nothing to do")


class Turn:
    """The right of a thread to change what all projects have in common; a context manager."""

    def __init__(self, session: Session, lock: Lock | None) -> None:
        """`session` is that of the thread, `lock` common to all, or None if there are no others."""
        self._session = session
        self._lock = lock
        self._held = False

    def __enter__(self) -> Turn:
        return self

    def __exit__(self, *_: object) -> None:
        if self._held and self._lock is not None:
            self._lock.release()

    def take(self) -> bool:
        """Wait for the turn, which lasts as long as the context; return False if there is no need.

        Facts are discarded: others may have changed them.
        """
        if self._held or self._lock is None:
            return False
        while not self._lock.acquire(timeout=_POLL_SECONDS):
            if self._session.host.stopping.is_set():
                raise Interrupted("interrupted")
        self._held = True
        self._session.discard_facts()
        return True


def _change_in_turn(
    session: Session, names: Sequence[str], change: Callable[[Session, str], None]
) -> list[str]:
    """Call `change` with one name after the other; return those for which it failed."""
    failed = []
    for name in names:
        try:
            change(session, name)
        except Interrupted:
            raise
        except RepomanError as problem:
            session.screen.note(f"{name}: {problem}")
            failed.append(name)
    return failed


def flags_of(**flags: bool) -> list[str]:
    """Return the flags that are set, as they are typed."""
    return [f"--{name.replace('_', '-')}" for name, is_set in flags.items() if is_set]

"""Keeps a record of what a command does to one project."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from repoman_tasks.errors import Interrupted, RepomanError
from repoman_tasks.planning.mirror.attempts import outcome_record, restored
from repoman_tasks.planning.mirror.sync_plan import Outcome
from repoman_tasks.session import Session

__all__ = ["logged_restore"]


@contextmanager
def logged_restore(session: Session, project: str, *, in_its_place: bool) -> Iterator[Outcome]:
    """Record how a restore of `project` went; the caller sets counts and what is wrong.

    An error that it raises is recorded, too. That a record can't be written is no error.
    """
    outcome, began = Outcome(project), time.monotonic()
    try:
        yield outcome
    except BaseException as error:
        interrupted = isinstance(error, KeyboardInterrupt)
        outcome.fail(Interrupted("interrupted") if interrupted else error)
        raise
    finally:
        outcome.seconds, outcome.ended_at = time.monotonic() - began, session.now()
        cures = outcome.ok and in_its_place
        with suppress(RepomanError):
            session.store.mirrors.update(
                lambda known: restored(known, project) if cures else known,
                [outcome_record("restore", outcome)],
            )

"""Steps are shown, asked about and done here, the same ones each time."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from repoman_tasks.errors import Failed, Interrupted
from repoman_tasks.model import Registry
from repoman_tasks.planning.names import absolute
from repoman_tasks.planning.setup import MakeFolder, MarkShare, Step, WriteRegistry
from repoman_tasks.session import Session
from repoman_tasks.tools.share import Share

__all__ = ["carry_out"]


def carry_out(
    session: Session,
    steps: Sequence[Step],
    *,
    dry_run: bool,
    default: bool = True,
    share: Share | None = None,
    agreed: Callable[[], None] | None = None,
    still_right: Callable[[Registry], Sequence[Step]] | None = None,
) -> bool:
    """Show `steps`; unless this is a dry run, ask and do them. False where nothing was done.

    `agreed` is called once a person has agreed, before the first step. `still_right` plans
    again from the registry as it is under its lock, and raises where somebody else changed it
    meanwhile so that the steps can't be done any more.
    """
    if not steps:
        session.screen.line("nothing to do")
        return False
    if dry_run or session.dry:
        for step in steps:
            session.screen.line(f"would {step}")
        return False
    _ask(session, steps, default)
    if agreed is not None:
        agreed()
    for step in steps:
        _do(session, step, share, still_right)
        session.screen.line(f"done: {step}")
    return True


def _ask(session: Session, steps: Sequence[Step], default: bool) -> None:
    """Show a person the steps and ask; `Interrupted` by a no."""
    if session.ask.possible:
        for step in steps:
            session.screen.note(f"  {step}")
    if not session.ask.confirm("Go ahead?", default=default):
        raise Interrupted("nothing was changed")


def _do(
    session: Session,
    step: Step,
    share: Share | None,
    still_right: Callable[[Registry], Sequence[Step]] | None,
) -> None:
    if isinstance(step, MakeFolder):
        path = absolute(step.path, session.host.home)
        result = session.host.change(["mkdir", "-p", "--", path])
        if result.code:
            raise Failed(f"{step.path} can't be made", result.complaint)
    elif isinstance(step, MarkShare):
        assert share is not None
        share.mark(step.estate, session.now())
    elif isinstance(step, WriteRegistry):
        edits = step.edits

        def under_lock(registry: Registry) -> Sequence[object]:
            if still_right is not None:
                still_right(registry)
            return edits

        session.store.update(under_lock)  # type: ignore[arg-type]

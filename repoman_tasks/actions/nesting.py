"""The question before a container may have containers inside."""

from __future__ import annotations

from repoman_tasks.errors import Interrupted
from repoman_tasks.planning.prompts import NESTING
from repoman_tasks.session import Session

__all__ = ["confirm_nesting"]

_COST = (
    "root in it may mount file systems and make namespaces that other containers can't, so more of "
    "this host's kernel, which all containers share, is open to attack; the rest of the fence stays"
)


def confirm_nesting(session: Session, name: str, *, dry_run: bool) -> None:
    """Say what nesting costs the container `name` in safety, and ask unless it is a dry run.

    Raise Interrupted if the answer is no, and without a terminal UsageError without `--yes`.
    """
    session.screen.note(f"{name}: nesting: {_COST}")
    if dry_run or session.dry:
        return
    if not session.prompter.confirm(NESTING, name, default=False):
        raise Interrupted(session.prompter.outcome)

"""Having a person approve what a repo asks for beyond its container: what `new`, `update` and
`trust` share."""

from __future__ import annotations

from collections.abc import Sequence

from repoman_tasks.actions.facts import mountable, reconcile
from repoman_tasks.errors import Refused
from repoman_tasks.model import Project, Wish
from repoman_tasks.planning.prompts import APPROVE
from repoman_tasks.planning.trust.approval_rules import (
    Asked,
    approval,
    bounded,
    difference,
    granted,
    reaches,
    reaching,
    stands,
)
from repoman_tasks.session import Session
from repoman_tasks.tools.approvals import approve, approved
from repoman_tasks.tools.forbidden_paths import check_source, foresee_places
from repoman_tasks.tools.repo_config import REPO_FILE, foresee_asked, read_asked

__all__ = ["agree", "foresee_wishes", "wishes"]


def foresee_wishes(session: Session, project: Project, repo: str) -> None:
    """Say that it will be asked what the repo of `project` at `repo` asks for; it is probably
    what it asked for when it was read last."""
    reality = session.of(reconcile)
    foresee_asked(session.host, repo, project.asked_mounts)
    if reaches(project, reality.registry.defaults):
        foresee_places(session.host, reality, session.store.folder)


def wishes(
    session: Session, repo: str, how: str, *, trusted: bool, dry_run: bool
) -> tuple[Wish, Refused | None]:
    """What counts of the wishes of the repo at `repo`, and a refusal of the rest of them.

    `trusted` is a person's `--trust`; `how` says what else they can do.
    """
    asked = read_asked(session.host, repo)
    defaults = session.of(reconcile).registry.defaults
    try:
        agree(session, asked, how, trusted=trusted, dry_run=dry_run)
    except Refused as refusal:
        return bounded(asked, defaults), refusal
    return granted(asked), None


def agree(
    session: Session, asked: Asked, how: str, *, trusted: bool = False, dry_run: bool = False
) -> bool:
    """Have what reaches out approved; whether there was something to approve.

    `Refused` where a person does not, or nobody is there, or it is never mounted. What is
    approved is what was parsed: the file is not looked at again.
    """
    host = session.host
    defaults = session.of(reconcile).registry.defaults
    if not reaching(asked, defaults):
        return False
    for source in asked.sources:
        check_source(session.of(mountable), source, source)
    before = approved(host, asked.repo)
    if stands(before, asked):
        return False
    lines = difference(before, asked, defaults)
    if trusted:
        for line in lines:
            session.screen.note(f"{'would approve' if dry_run else 'approved by --trust'}: {line}")
    elif not session.ask.possible or dry_run:
        wanted = "; ".join(reaching(asked, defaults))
        raise Refused(f"{asked.repo}/{REPO_FILE} asks for what nobody approved: {wanted}", how)
    else:
        _ask(session, asked, lines, how)
    if not dry_run:
        approve(host, approval(asked, defaults), session.now())
    return True


def _ask(session: Session, asked: Asked, lines: Sequence[str], how: str) -> None:
    """Show a person what is asked for; `Refused` by a no, which is the default."""
    file = f"{asked.repo}/{REPO_FILE}"
    session.screen.note(f"{file} asks for what reaches out of the container:")
    for line in lines:
        session.screen.note(f"  {line}")
    if not session.ask.grant(APPROVE):
        raise Refused(f"what {file} asks for was not approved", how)

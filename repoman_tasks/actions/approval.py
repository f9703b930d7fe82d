"""Having a person approve what a repo asks for beyond its container: what `new`, `update` and
`trust` share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from repoman_tasks.actions.facts import forbidden_paths, reconcile
from repoman_tasks.errors import Refused
from repoman_tasks.hosts.base import Future
from repoman_tasks.model import Project, Requested
from repoman_tasks.planning.prompts import APPROVE
from repoman_tasks.planning.trust.approval_rules import (
    Approval,
    Request,
    all_requests,
    approval_changes,
    approval_of,
    covers,
    has_privileged_requests,
    privileged_requests,
    unprivileged_requests,
)
from repoman_tasks.session import Session
from repoman_tasks.tools.approvals import approve, submit_approval
from repoman_tasks.tools.forbidden_paths import check_source
from repoman_tasks.tools.repo_config import REPO_FILE, submit_request

__all__ = ["RequestAnswers", "allowed_requests", "approve_request", "submit_requests"]


@dataclass(frozen=True)
class RequestAnswers:
    """What was asked about a repo's requests."""

    request: Future[Request]
    approval: Future[Approval | None]


def submit_requests(session: Session, repo: str, project: Project | None = None) -> RequestAnswers:
    """Ask what the repo at `repo` requests; probably what that of `project` did when it was read
    last."""
    if project and has_privileged_requests(project, session.of(reconcile).registry.defaults):
        session.submit(forbidden_paths)
    noted = project.asked_mounts if project else ()
    request = submit_request(session.host, repo, noted)
    return RequestAnswers(request, submit_approval(session.host, repo))


def allowed_requests(
    session: Session, asked: RequestAnswers, how: str, *, trusted: bool, dry_run: bool
) -> tuple[Requested, Refused | None]:
    """Return which of a repo's requests count, and a refusal of the rest of them.

    `trusted` is a person's `--trust`; `how` says what else they can do.
    """
    request = asked.request.result()
    defaults = session.of(reconcile).registry.defaults
    try:
        approve_request(session, asked, how, trusted=trusted, dry_run=dry_run)
    except Refused as refusal:
        return unprivileged_requests(request, defaults), refusal
    return all_requests(request), None


def approve_request(
    session: Session,
    asked: RequestAnswers,
    how: str,
    *,
    trusted: bool = False,
    dry_run: bool = False,
) -> bool:
    """Have what reaches out approved; return whether there was something to approve.

    `Refused` where a person does not, or nobody is there, or it is never mounted. What is
    approved is what was parsed: the file is not looked at again.
    """
    request, defaults = asked.request.result(), session.of(reconcile).registry.defaults
    if not privileged_requests(request, defaults):
        return False
    for source in request.sources:
        check_source(session.of(forbidden_paths), source, source)
    before = asked.approval.result()
    if covers(before, request):
        return False
    lines = approval_changes(before, request, defaults)
    if trusted:
        for line in lines:
            session.screen.note(f"{'would approve' if dry_run else 'approved by --trust'}: {line}")
    elif not session.prompter.possible or dry_run:
        unapproved = "; ".join(privileged_requests(request, defaults))
        raise Refused(
            f"{request.repo}/{REPO_FILE} asks for what nobody approved: {unapproved}", how
        )
    else:
        _ask(session, request, lines, how)
    if not dry_run:
        approve(session.host, approval_of(request, defaults), session.now())
    return True


def _ask(session: Session, request: Request, lines: Sequence[str], how: str) -> None:
    """Show a person what is asked for; `Refused` by a no, which is the default."""
    file = f"{request.repo}/{REPO_FILE}"
    session.screen.note(f"{file} asks for what reaches out of the container:")
    for line in lines:
        session.screen.note(f"  {line}")
    if not session.prompter.grant(APPROVE):
        raise Refused(f"what {file} asks for was not approved", how)

"""Approval of a repo's privileged requests, for `new`, `update` and `trust`."""

from __future__ import annotations

from collections.abc import Sequence

from repoman_tasks.actions.facts import forbidden_paths, reconcile
from repoman_tasks.errors import Refused
from repoman_tasks.hosts.base import Future
from repoman_tasks.late_dataclass import dataclass
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
from repoman_tasks.terminal.prompter import Prompter
from repoman_tasks.terminal.screen import Screen
from repoman_tasks.tools.approvals import approve, submit_approval
from repoman_tasks.tools.forbidden_paths import check_source
from repoman_tasks.tools.repo_config import REPO_FILE, submit_request

__all__ = ["RequestAnswers", "allowed_requests", "approve_request", "submit_requests"]


@dataclass(frozen=True)
class RequestAnswers:
    """Pending answers about a repo: its requests, and their approval."""

    request: Future[Request]
    approval: Future[Approval | None]


def submit_requests(session: Session, repo: str, project: Project | None = None) -> RequestAnswers:
    """Ask for the requests of the repo at `repo` and for their approval.

    If its `project` has privileged ones, the forbidden paths are asked for as well.
    """
    if project and has_privileged_requests(project, session.of(reconcile).registry.defaults):
        session.submit(forbidden_paths)
    mounts = project.requested_mounts if project else ()
    request = submit_request(session.host, repo, mounts)
    return RequestAnswers(request, submit_approval(session.host, repo))


def allowed_requests(
    session: Session, answers: RequestAnswers, cure: str, *, trusted: bool, dry_run: bool
) -> tuple[Requested, Refused | None]:
    """Return the requests to apply; if some are not approved, also the error that says so.

    `trusted` is the flag --trust, and `cure` is that of the error.
    """
    request = answers.request.result()
    defaults = session.of(reconcile).registry.defaults
    try:
        approve_request(session, answers, cure, trusted=trusted, dry_run=dry_run)
    except Refused as refusal:
        return unprivileged_requests(request, defaults), refusal
    return all_requests(request), None


def approve_request(
    session: Session,
    answers: RequestAnswers,
    cure: str,
    *,
    trusted: bool = False,
    dry_run: bool = False,
) -> bool:
    """Ask a person to approve privileged requests; return if there was anything to approve.

    Raise Refused if they are denied, if there is no terminal to ask on, or if a path is never
    mounted. The file is not read again: what was parsed is what is approved.
    """
    request, defaults = answers.request.result(), session.of(reconcile).registry.defaults
    if not privileged_requests(request, defaults):
        return False
    for source in request.sources:
        check_source(session.of(forbidden_paths), source, source)
    earlier = answers.approval.result()
    if covers(earlier, request):
        return False
    lines = approval_changes(earlier, request, defaults)
    if trusted:
        for line in lines:
            session.screen.note(f"{'would approve' if dry_run else 'approved by --trust'}: {line}")
    elif not session.prompter.possible or dry_run:
        unapproved = "; ".join(privileged_requests(request, defaults))
        raise Refused(
            f"{request.repo}/{REPO_FILE} requests what is not approved: {unapproved}", cure
        )
    else:
        _ask(session.prompter, session.screen, request, lines, cure)
    if not dry_run:
        approve(session.host, approval_of(request, defaults), session.now())
    return True


def _ask(
    prompter: Prompter, screen: Screen, request: Request, lines: Sequence[str], cure: str
) -> None:
    """Show the requests and ask for approval, by default no; raise Refused if it is denied."""
    file = f"{request.repo}/{REPO_FILE}"
    screen.note(f"{file} requests access beyond the container:")
    for line in lines:
        screen.note(f"  {line}")
    if not prompter.grant(APPROVE):
        raise Refused(f"the requests of {file} were not approved", cure)

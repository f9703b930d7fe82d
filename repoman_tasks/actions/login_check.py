"""Checks the logins that containers are given or share, for `status`."""

from __future__ import annotations

from collections.abc import Sequence

from repoman_tasks.hosts.base import Future
from repoman_tasks.model import Project, Registry
from repoman_tasks.planning.container.login_findings import (
    shared_login_findings,
    stored_login_findings,
)
from repoman_tasks.planning.container.logins import given_agents
from repoman_tasks.planning.findings import Finding
from repoman_tasks.session import Session
from repoman_tasks.tools.login_files import submit_shared_login, submit_stored_logins
from repoman_tasks.tools.login_folder import login_folder

__all__ = ["submit_login_check"]


def submit_login_check(
    session: Session, registry: Registry, projects: Sequence[Project]
) -> Future[list[Finding]]:
    """Ask for findings about the logins that the containers of `projects` are given or share."""
    using = [project for project in projects if project.container]
    if not using:
        return Future(list)
    defaults, now = registry.defaults, session.now()
    agents = dict.fromkeys(agent for p in using for agent in given_agents(p, defaults))
    stored = submit_stored_logins(session.host, agents)
    findings = stored.then(lambda logins: stored_login_findings(logins, now))
    folder = login_folder(session.host, defaults)
    if not folder:
        return findings
    shared = submit_shared_login(session.host, folder)
    name = using[0].name
    return findings.then(lambda found: [*found, *shared_login_findings(shared.result(), now, name)])

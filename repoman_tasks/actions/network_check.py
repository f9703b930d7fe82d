"""Trying out whether containers get out past the firewalls of the host: a part of `status`."""

from __future__ import annotations

from collections.abc import Sequence

from repoman_tasks.actions.facts import addresses, containers, fence_facts, incus, reconcile
from repoman_tasks.errors import RepomanError
from repoman_tasks.hosts.base import Future
from repoman_tasks.model import Project
from repoman_tasks.planning.fence.bridge import Bridge
from repoman_tasks.planning.fence.reachability import (
    Reachability,
    none_reach_router,
    reachability_findings,
)
from repoman_tasks.planning.findings import Finding
from repoman_tasks.session import Session
from repoman_tasks.tools.incus import Incus
from repoman_tasks.tools.reach_probe import router_answers, submit_reach

__all__ = ["submit_network_check"]

_TRIED = 3
"""So many containers are tried until one gets out: one alone may keep itself in."""


def submit_network_check(session: Session, projects: Sequence[Project]) -> Future[list[Finding]]:
    """Ask what the containers of `projects` do not reach because of this host."""
    fence = session.of(fence_facts)
    if isinstance(fence, RepomanError):
        return Future(list)
    name = session.of(reconcile).registry.defaults.bridge
    bridge = fence.networks.get(name)
    if bridge is None or not bridge.gateway:
        return Future(lambda: reachability_findings(name, fence.firewalls, [], False))
    there, tried = session.of(incus), _tried(session, projects)
    asked = [submit_reach(there, name, bridge) for name in tried[:1]]  # mostly that is enough

    def found() -> list[Finding]:
        seen = _seen(there, bridge, tried, asked)
        answers = none_reach_router(seen) and router_answers(there.host)
        return reachability_findings(name, fence.firewalls, seen, answers)

    return Future(found)


def _tried(session: Session, projects: Sequence[Project]) -> list[str]:
    """The names of the containers that may be tried."""
    return [project.name for project in projects if _tries(session, project)][:_TRIED]


def _seen(
    incus: Incus, bridge: Bridge, names: Sequence[str], asked: Sequence[Future[Reachability]]
) -> list[Reachability]:
    """Return what the first of the containers reach, until one of them gets out."""
    seen = [first.result() for first in asked]
    for name in names[1:]:
        if seen[-1].unblocked:
            break
        seen.append(submit_reach(incus, name, bridge).result())
    return seen


def _tries(session: Session, project: Project) -> bool:
    """Whether the project's container runs, has a network, and no address but its own.

    With another one it gets nowhere: Incus filters that.
    """
    found = session.of(containers).by_name.get(project.name)
    mode = project.network or session.of(reconcile).registry.defaults.network
    if not (project.container and found and found.running and mode != "none"):
        return False
    return not project.address or session.of(addresses).get(project.name) == project.address

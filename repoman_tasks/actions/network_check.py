"""Trying out whether containers get out past the firewalls of the host: a part of `status`."""

from __future__ import annotations

from collections.abc import Sequence

from repoman_tasks.actions.facts import addresses, containers, fence_facts, incus, reconcile
from repoman_tasks.errors import RepomanError
from repoman_tasks.model import Project
from repoman_tasks.planning.fence.bridge import Bridge
from repoman_tasks.planning.fence.reachability import (
    Reachability,
    none_reach_router,
    reachability_findings,
)
from repoman_tasks.planning.findings import Finding
from repoman_tasks.session import Session
from repoman_tasks.tools.reach_probe import foresee_reach, reach, router_answers

__all__ = ["check_network", "foresee_tries"]

_TRIED = 3
"""So many containers are tried until one gets out: one alone may keep itself in."""


def foresee_tries(session: Session, projects: Sequence[Project]) -> None:
    """Say that the first of them will be tried, which mostly is enough."""
    bridge = _bridge(session)
    if bridge is not None:
        for name in _tried(session, projects)[:1]:
            foresee_reach(session.of(incus), name, bridge)


def check_network(session: Session, projects: Sequence[Project]) -> list[Finding]:
    """What the containers of `projects` do not reach because of this host."""
    fence = session.of(fence_facts)
    if isinstance(fence, RepomanError):
        return []
    bridge = _bridge(session)
    probed = _seen(session, bridge, projects) if bridge is not None else []
    answers = none_reach_router(probed) and router_answers(session.host)
    name = session.of(reconcile).registry.defaults.bridge
    return reachability_findings(name, fence.firewalls, probed, answers)


def _bridge(session: Session) -> Bridge | None:
    """The bridge of the containers, where it has a gateway."""
    fence = session.of(fence_facts)
    if isinstance(fence, RepomanError):
        return None
    bridge = fence.networks.get(session.of(reconcile).registry.defaults.bridge)
    return bridge if bridge and bridge.gateway else None


def _tried(session: Session, projects: Sequence[Project]) -> list[str]:
    """The names of the containers that may be tried."""
    return [project.name for project in projects if _tries(session, project)][:_TRIED]


def _seen(session: Session, bridge: Bridge, projects: Sequence[Project]) -> list[Reachability]:
    """What the first that run reach, until one of them gets out."""
    probed: list[Reachability] = []
    for name in _tried(session, projects):
        probed.append(reach(session.of(incus), name, bridge))
        if probed[-1].unblocked:
            break
    return probed


def _tries(session: Session, project: Project) -> bool:
    """Whether the project's container runs, has a network, and no address but its own.

    With another one it gets nowhere: Incus filters that.
    """
    found = session.of(containers).by_name.get(project.name)
    mode = project.network or session.of(reconcile).registry.defaults.network
    if not (project.container and found and found.running and mode != "none"):
        return False
    return not project.address or session.of(addresses).get(project.name) == project.address

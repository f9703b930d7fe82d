"""Checks if the host's firewalls block the network of containers, for `status`."""

from __future__ import annotations

from collections.abc import Sequence

from repoman_tasks.actions.facts import addresses, containers, fence_facts, incus, reconcile
from repoman_tasks.actions.inside_check import running_projects
from repoman_tasks.errors import RepomanError
from repoman_tasks.hosts.base import Future
from repoman_tasks.model import Project
from repoman_tasks.planning.fence.reachability import (
    Reachability,
    none_reach_router,
    reachability_findings,
)
from repoman_tasks.planning.findings import Finding
from repoman_tasks.session import Session
from repoman_tasks.tools.reach_probe import router_answers, submit_reach

__all__ = ["submit_network_check"]

_MOST_PROBES = 3
"""Limit of probed containers; a single one may block itself. They are probed at the same time: if
none gets out, each takes two seconds."""


def submit_network_check(session: Session, projects: Sequence[Project]) -> Future[list[Finding]]:
    """Ask for findings about what containers of `projects` can't reach because of this host."""
    fence = session.of(fence_facts)
    if isinstance(fence, RepomanError):
        return Future(list)
    name = session.of(reconcile).registry.defaults.bridge
    bridge = fence.networks.get(name)
    if bridge is None or not bridge.gateway:
        return Future(lambda: reachability_findings(name, fence.firewalls, [], False))
    daemon, candidates = session.of(incus), _candidates(session, projects)
    asked = [submit_reach(daemon, name, bridge) for name in candidates]

    def collect() -> list[Finding]:
        probes = _until_one_gets_out(asked)
        answers = none_reach_router(probes) and router_answers(daemon.host)
        return reachability_findings(name, fence.firewalls, probes, answers)

    return Future(collect)


def _candidates(session: Session, projects: Sequence[Project]) -> list[str]:
    """Return the names of the containers to probe: they run, and have a network.

    A project with a fixed address must have it: Incus drops the packets of any other one.
    """
    default = session.of(reconcile).registry.defaults.network
    names = [
        project.name
        for project in running_projects(session.of(containers), projects)
        if (project.network or default) != "none"
        and (not project.address or session.of(addresses).get(project.name) == project.address)
    ]
    return names[:_MOST_PROBES]


def _until_one_gets_out(asked: Sequence[Future[Reachability]]) -> list[Reachability]:
    """Wait for one probe after the other until one got out; return those that have answered."""
    probes: list[Reachability] = []
    for pending in asked:
        probes.append(pending.result())
        if probes[-1].unblocked:
            break
    return probes

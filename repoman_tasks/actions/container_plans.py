"""What does steps on containers, for a session."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

from repoman_tasks.actions.container_steps import Devices, StepRunner
from repoman_tasks.actions.facts import containers, forbidden_paths, incus, person, reconcile
from repoman_tasks.hosts.base import Future, Host
from repoman_tasks.model import Project, Registry
from repoman_tasks.planning.container.spec import Spec
from repoman_tasks.planning.fence.acl import acl, choose_address, matching_address6
from repoman_tasks.planning.fence.bridge import has_rules
from repoman_tasks.planning.fence.bridge_steps import acl_update_steps
from repoman_tasks.planning.fence.project_steps import allow_mounts_steps
from repoman_tasks.planning.steps import Step
from repoman_tasks.session import Session
from repoman_tasks.tools.fence_probe import submit_host_networks
from repoman_tasks.tools.forbidden_paths import check_devices
from repoman_tasks.tools.hazard_scan import submit_protected
from repoman_tasks.tools.incus import Incus

__all__ = [
    "NetworkAnswers",
    "acl_removal_steps",
    "acl_steps",
    "mount_permission_steps",
    "step_runner",
    "submit_network",
    "submit_protection",
    "with_addresses",
    "with_protected",
]


@dataclass(frozen=True)
class NetworkAnswers:
    """What was asked about the containers' bridge, its rules, and the host's networks."""

    bridge: Future[Any]
    rules: Future[Any]
    host_networks: Future[tuple[str, ...]]


def submit_network(incus: Incus, bridge: str) -> NetworkAnswers:
    """Ask for what addresses and rules of containers on `bridge` are planned by."""
    name = quote(bridge, safe="")
    return NetworkAnswers(
        incus.submit(f"/1.0/networks/{name}"),
        incus.submit(f"/1.0/network-acls/{name}"),
        submit_host_networks(incus.host),
    )


def mount_permission_steps(session: Session, spec: Spec) -> list[Step]:
    """The steps after which the Incus project has room for the mounts of `spec`."""
    if len(spec.devices) == 1:  # the repo alone
        return []
    found = session.of(incus)
    project = found.get(found.project_path) or {}
    return allow_mounts_steps(found.project, project.get("config") or {}, spec)


def with_addresses(project: Project, registry: Registry, network: NetworkAnswers | None) -> Project:
    """Return the project with its addresses, if it has rules of its own."""
    if not has_rules(project) or network is None:
        return project
    config = (network.bridge.result() or {}).get("config") or {}
    taken = (other.address for other in registry.projects)
    ipv4 = project.address or choose_address(config, project.name, taken)
    return replace(
        project, address=ipv4, address6=project.address6 or matching_address6(config, ipv4)
    )


def submit_protection(host: Host, repo: str) -> Future[tuple[str, ...] | None]:
    """Ask what is in `repo` now that programs of the host would run; None if that is no real
    folder."""
    real, protected = host.submit_folders([repo]), submit_protected(host, repo)
    return real.then(lambda found: protected.result() if found == [repo] else None)


def with_protected(project: Project, found: tuple[str, ...] | None) -> Project:
    """Return the project with what `submit_protection` found in its repo."""
    return project if found is None else replace(project, protected=found)


def acl_steps(
    session: Session, project: Project, network: NetworkAnswers | None = None
) -> list[Step]:
    """The steps after which the network lets `project` go where it may, and no further.

    One that once had rules of its own has an address noted.
    """
    if not (has_rules(project) or project.address):
        return []
    return _rules(session, project, [project], network)


def acl_removal_steps(session: Session, project: Project) -> list[Step]:
    """The steps after which the network has no rules for `project`, whose container is to go.

    None where Incus can't be asked: a project has to be forgotten then too, and `setup` takes
    away what is left.
    """
    if not (has_rules(project) and project.address) or session.of(containers).problem:
        return []
    return _rules(session, project, [])


def _rules(
    session: Session,
    project: Project,
    after: Sequence[Project],
    network: NetworkAnswers | None = None,
) -> list[Step]:
    """The steps to rules in which `after` stands in place of `project`."""
    registry = session.of(reconcile).registry
    name = registry.defaults.bridge
    asked = network or submit_network(session.of(incus), name)
    others = [other for other in registry.projects if other.name != project.name]
    spec = acl(registry.defaults, [*others, *after], asked.host_networks.result())
    return acl_update_steps(name, asked.rules.result() or {}, spec)


def step_runner(session: Session) -> StepRunner:
    """What does steps on containers; each device passes by the places that are never mounted."""

    def check(devices: Devices) -> None:
        check_devices(session.host, session.of(forbidden_paths), devices)

    return StepRunner(
        session.of(incus), lambda: session.of(person), session.screen.show_status, check
    )

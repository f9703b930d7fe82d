"""What does steps on containers, for a session."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import quote

from repoman_tasks.actions.container_steps import Devices, StepRunner
from repoman_tasks.actions.facts import containers, forbidden_paths, incus, person, reconcile
from repoman_tasks.model import Project, Registry
from repoman_tasks.planning.container.spec import Spec
from repoman_tasks.planning.fence.acl import acl, choose_address, matching_address6
from repoman_tasks.planning.fence.bridge import has_rules
from repoman_tasks.planning.fence.bridge_steps import acl_update_steps
from repoman_tasks.planning.fence.project_steps import allow_mounts_steps
from repoman_tasks.planning.steps import Step
from repoman_tasks.session import Session
from repoman_tasks.tools.fence_probe import foresee_networks, host_networks
from repoman_tasks.tools.forbidden_paths import check_devices
from repoman_tasks.tools.hazard_scan import find_protected, foresee_protected

__all__ = [
    "acl_removal_steps",
    "acl_steps",
    "foresee_ruling",
    "mount_permission_steps",
    "step_runner",
    "with_addresses",
    "with_protected",
]


def foresee_ruling(session: Session, project: Project) -> None:
    """Say that `project` will be `with_addresses`, `with_protected`, and given its rules."""
    facts, found = session.of(reconcile), session.of(incus)
    session.host.foresee(folders=[f"{facts.local_repos}/{project.repo}"])
    foresee_protected(session.host, f"{facts.local_repos}/{project.repo}")
    if has_rules(project) or project.address:
        found.foresee(_bridge_path(facts.registry), _rules_path(facts.registry))
        foresee_networks(session.host)


def _bridge_path(registry: Registry) -> str:
    return f"/1.0/networks/{quote(registry.defaults.bridge, safe='')}"


def _rules_path(registry: Registry) -> str:
    return f"/1.0/network-acls/{quote(registry.defaults.bridge, safe='')}"


def mount_permission_steps(session: Session, spec: Spec) -> list[Step]:
    """The steps after which the Incus project has room for the mounts of `spec`."""
    if len(spec.devices) == 1:  # the repo alone
        return []
    found = session.of(incus)
    project = found.get(found.project_path) or {}
    return allow_mounts_steps(found.project, project.get("config") or {}, spec)


def with_addresses(session: Session, project: Project) -> Project:
    """The project with its addresses, where it has rules of its own."""
    if not has_rules(project):
        return project
    registry, found = session.of(reconcile).registry, session.of(incus)
    bridge = found.get(_bridge_path(registry)) or {}
    config = bridge.get("config") or {}
    taken = (other.address for other in registry.projects)
    ipv4 = project.address or choose_address(config, project.name, taken)
    return replace(
        project, address=ipv4, address6=project.address6 or matching_address6(config, ipv4)
    )


def with_protected(session: Session, project: Project) -> Project:
    """The project with what is in its repo now that programs of the host would run."""
    facts = session.of(reconcile)
    repo = f"{facts.local_repos}/{project.repo}"
    if session.host.real_folder(repo) != repo:
        return project
    return replace(project, protected=find_protected(session.host, repo))


def acl_steps(session: Session, project: Project) -> list[Step]:
    """The steps after which the network lets `project` go where it may, and no further.

    One that once had rules of its own has an address noted.
    """
    return _rules(session, project, project) if has_rules(project) or project.address else []


def acl_removal_steps(session: Session, project: Project) -> list[Step]:
    """The steps after which the network has no rules for `project`, whose container is to go.

    None where Incus can't be asked: a project has to be forgotten then too, and `setup` takes
    away what is left.
    """
    if not (has_rules(project) and project.address) or session.of(containers).problem:
        return []
    return _rules(session, project)


def _rules(session: Session, project: Project, *after: Project) -> list[Step]:
    """The steps to rules in which `after` stands in place of `project`."""
    registry, found = session.of(reconcile).registry, session.of(incus)
    name = registry.defaults.bridge
    now = found.get(_rules_path(registry)) or {}
    others = [other for other in registry.projects if other.name != project.name]
    spec = acl(registry.defaults, [*others, *after], host_networks(session.host))
    return acl_update_steps(name, now, spec)


def step_runner(session: Session) -> StepRunner:
    """What does steps on containers; each device passes by the places that are never mounted."""

    def check(devices: Devices) -> None:
        check_devices(session.host, session.of(forbidden_paths), devices)

    return StepRunner(
        session.of(incus), lambda: session.of(person), session.screen.show_status, check
    )

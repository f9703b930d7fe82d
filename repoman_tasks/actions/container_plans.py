"""Steps that several commands plan for a container: its ACL, mounts and addresses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any
from urllib.parse import quote

from repoman_tasks.actions.container_steps import Devices, StepRunner
from repoman_tasks.actions.facts import (
    containers,
    fence_facts,
    forbidden_paths,
    person,
    reconcile,
)
from repoman_tasks.actions.facts import incus as find_incus
from repoman_tasks.actions.template_build import build_image
from repoman_tasks.errors import RepomanError, UsageError
from repoman_tasks.hosts.base import Future, Host
from repoman_tasks.late_dataclass import dataclass
from repoman_tasks.model import Project, Registry
from repoman_tasks.planning.container.agents import agent_file, agent_folders, kept_folders
from repoman_tasks.planning.container.spec import (
    PROTECTED_DEVICE,
    REPO_DEVICE,
    VOLUME_DEVICE,
    Spec,
)
from repoman_tasks.planning.fence.acl import (
    NEVER_REACHED,
    acl,
    allow_of_bridge,
    choose_address,
    common_rules,
    matching_address6,
)
from repoman_tasks.planning.fence.bridge import has_rules
from repoman_tasks.planning.fence.bridge_steps import acl_update_steps
from repoman_tasks.planning.fence.fence_facts import FenceOptions
from repoman_tasks.planning.fence.fence_plan import nesting_steps
from repoman_tasks.planning.fence.ownership import check_project_owner
from repoman_tasks.planning.fence.project_steps import allow_mounts_steps
from repoman_tasks.planning.steps import CallIncus, Step
from repoman_tasks.session import Session
from repoman_tasks.tools.agent_files import AgentFile, find_agent_files
from repoman_tasks.tools.fence_probe import submit_host_networks
from repoman_tasks.tools.forbidden_paths import check_devices, check_folders
from repoman_tasks.tools.hazard_scan import submit_protected
from repoman_tasks.tools.incus import Incus, project_path
from repoman_tasks.tools.mount_sources import folders_to_allow

__all__ = [
    "NetworkAnswers",
    "acl_removal_steps",
    "acl_steps",
    "home_steps",
    "mount_permission_steps",
    "project_keep",
    "step_runner",
    "submit_network",
    "submit_protection",
    "with_addresses",
    "with_protected",
]


@dataclass(frozen=True)
class NetworkAnswers:
    """Pending answers about the containers' bridge, its ACL, and the host's networks."""

    bridge: Future[Any]
    rules: Future[Any]
    host_networks: Future[tuple[str, ...]]


def submit_network(incus: Incus, bridge: str) -> NetworkAnswers:
    """Ask for what addresses and ACL of the containers on `bridge` depend on."""
    name = quote(bridge, safe="")
    return NetworkAnswers(
        incus.submit(f"/1.0/networks/{name}"),
        incus.submit(f"/1.0/network-acls/{name}"),
        submit_host_networks(incus.host),
    )


def mount_permission_steps(session: Session, spec: Spec) -> list[Step]:
    """Return the steps that allow the mounts of `spec` in the Incus project that it belongs in.

    If that is the one that allows nesting, and does not exist yet, they create it first. Raise
    Refused if a mount is never allowed.
    """
    creation = home_steps(session, spec)
    if spec.devices.keys() <= {REPO_DEVICE, VOLUME_DEVICE}:
        return [*creation]
    host, forbidden = session.host, session.of(forbidden_paths)
    check_devices(host, forbidden, spec.devices)
    mounts = (d for n, d in spec.devices.items() if not n.startswith(PROTECTED_DEVICE))
    sources = [device["source"] for device in mounts if "source" in device and "pool" not in device]
    folders = folders_to_allow(host, sources)
    check_folders(host, forbidden, sources, folders)
    incus = session.of(find_incus)
    home = spec.home or incus.project
    project = creation[0].body if creation else incus.get(project_path(home)) or {}
    return [*creation, *allow_mounts_steps(home, project.get("config") or {}, folders)]


def home_steps(session: Session, spec: Spec) -> Sequence[CallIncus]:
    """Return the steps that create the Incus project that allows nesting; none if it is there.

    None, too, if `spec` does not belong there. Raise UsageError if it is another person's.
    """
    incus = session.of(find_incus)
    if spec.home in ("", incus.project):
        return []
    project = incus.get(project_path(spec.home))
    if project is not None:
        check_project_owner(spec.home, project.get("config") or {}, incus.host.uid)
        return []
    facts = session.of(fence_facts)
    if isinstance(facts, RepomanError):
        raise facts
    steps = nesting_steps(facts, FenceOptions(), incus.project)
    return [step for step in steps if isinstance(step, CallIncus)]


def with_addresses(project: Project, registry: Registry, network: NetworkAnswers | None) -> Project:
    """Return the project, with addresses if it has network rules.

    Raise UsageError if one of these has no effect.
    """
    if not has_rules(project) or network is None:
        return project
    config = (network.bridge.result() or {}).get("config") or {}
    if text := allow_of_bridge(project.allow, config):
        raise UsageError(
            f"allow of {project.name} has {text}, but {NEVER_REACHED}",
            "remove it from the registry",
        )
    taken = (other.address for other in registry.projects)
    ipv4 = project.address or choose_address(config, project.name, taken)
    return replace(
        project, address=ipv4, address6=project.address6 or matching_address6(config, ipv4)
    )


def submit_protection(host: Host, repo: str) -> Future[tuple[str, ...] | None]:
    """Ask for the protected paths that exist in `repo`; None if it is not a real folder."""
    real, protected = host.submit_folders([repo]), submit_protected(host, repo)
    return real.then(lambda paths: protected.result() if paths == [repo] else None)


def with_protected(project: Project, paths: tuple[str, ...] | None) -> Project:
    """Return the project with these protected paths; None leaves it as it is."""
    return project if paths is None else replace(project, protected=paths)


def acl_steps(
    registry: Registry,
    incus: Incus,
    project: Project,
    network: NetworkAnswers | None = None,
    *,
    only_close: bool = False,
) -> list[Step]:
    """Return the steps that make the bridge's ACL fit `project`.

    If `only_close`, allow nothing that is not allowed yet: nobody has its address so far, so that
    another container might get it.
    """
    # A project that had network rules before still has an address.
    if not (has_rules(project) or project.address):
        return []
    return _acl_steps(registry, incus, project, [project], network, only_close=only_close)


def acl_removal_steps(session: Session, project: Project) -> list[Step]:
    """Return the steps that remove `project` from the bridge's ACL.

    Return none if Incus does not answer: a project can be removed from the registry even then, and
    `setup` removes its rules later.
    """
    if not (has_rules(project) and project.address) or session.of(containers).problem:
        return []
    registry = session.of(reconcile).registry
    return _acl_steps(registry, session.of(find_incus), project, [])


def _acl_steps(
    registry: Registry,
    incus: Incus,
    project: Project,
    after: Sequence[Project],
    network: NetworkAnswers | None = None,
    *,
    only_close: bool = False,
) -> list[Step]:
    """Return the steps to the ACL of all projects, with `after` in place of `project`."""
    name = registry.defaults.bridge
    answers = network or submit_network(incus, name)
    others = [other for other in registry.projects if other.name != project.name]
    spec = acl(registry.defaults, [*others, *after], answers.host_networks.result())
    actual = answers.rules.result() or {}
    return acl_update_steps(name, actual, common_rules(spec, actual) if only_close else spec)


def project_keep(registry: Registry, name: str) -> list[str]:
    """Return the folders of the home that the project called `name` keeps on its volume."""
    project = registry.project(name) or Project(name)
    return kept_folders((*registry.defaults.keep, *project.keep))


def step_runner(session: Session) -> StepRunner:
    """Return a runner of container steps that checks each device against the forbidden paths."""

    def check(devices: Devices) -> None:
        check_devices(session.host, session.of(forbidden_paths), devices)

    def folders(name: str) -> tuple[list[str], list[str]]:
        registry = session.of(reconcile).registry
        return agent_folders(registry.agents), project_keep(registry, name)

    def repo(name: str) -> str:
        facts = session.of(reconcile)
        project = facts.registry.project(name)
        return f"{facts.local_repos}/{project.repo}" if project else ""

    files = partial(_agent_files, session)
    incus, screen = session.of(find_incus), session.screen
    show, note = screen.show_status, screen.note

    def repos() -> tuple[str, str]:
        facts = session.of(reconcile)
        return facts.typed_repos, facts.local_repos

    build = partial(build_image, session)
    return StepRunner(
        incus, lambda: session.of(person), show, note, check, folders, repo, files, repos, build
    )


def _agent_files(session: Session, name: str) -> list[AgentFile]:
    """Return what the container of the project called `name` gets; print what does not exist."""
    facts = session.of(reconcile)
    project = facts.registry.project(name) or Project(name)
    listed = (*facts.registry.defaults.agent_files, *project.agent_files)
    if not listed:
        return []
    files = [agent_file(text, facts.home) for text in listed]
    found, missing = find_agent_files(session.host, session.of(forbidden_paths), files)
    for source in missing:
        session.screen.note(f"{source} in agent_files does not exist")
    return found

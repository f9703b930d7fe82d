"""`setup`: create the registry, mark the share, and restrict an Incus project."""

from __future__ import annotations

import uuid
from dataclasses import replace
from functools import partial

from repoman_tasks.actions.apply import Plan, apply_plan
from repoman_tasks.actions.container_plans import step_runner
from repoman_tasks.actions.estate_copy import takeover_steps
from repoman_tasks.actions.facts import fence_facts, incus, reconcile, stored_registry
from repoman_tasks.actions.held_locks import LOCK_SECONDS, hold_lock
from repoman_tasks.actions.sync_facts import submit_hostname
from repoman_tasks.cli.task import task
from repoman_tasks.errors import Busy, RepomanError, quoted
from repoman_tasks.model import Registry
from repoman_tasks.planning.estate_steps import SetupOptions, chosen_agents, setup_steps
from repoman_tasks.planning.fence.fence_facts import REPAIR_CURE, FenceOptions
from repoman_tasks.planning.fence.fence_plan import fence_findings, fence_steps
from repoman_tasks.planning.fence.project_steps import check_own_project
from repoman_tasks.planning.mirror.known_mirrors import other_writer
from repoman_tasks.planning.mirror.share_check import check_share
from repoman_tasks.planning.mirror.snapshots import NO_SNAPSHOTS, NO_SNAPSHOTS_CURE
from repoman_tasks.planning.names import absolute
from repoman_tasks.planning.prompts import SUDO
from repoman_tasks.planning.registry_edits import AddProject
from repoman_tasks.planning.steps import AsRoot, Step, TakeOverShare, WriteRegistry
from repoman_tasks.session import Session
from repoman_tasks.tools.share import Share, open_share
from repoman_tasks.wizards.setup_questions import ask_setup

_RSYNC = ("rsync", "--version")


@task(
    wizard=ask_setup,
    pre=[reconcile],
    needs_holder=True,
    help={
        "local_repos": "Folder that holds your working copies.",
        "nfs_repos": "Folder on the mounted backup share.",
        "new_share": "Mark this share even if another one was marked before.",
        "adopt_share": "Take over a share whose registry was lost, with the projects in its copy.",
        "take_over": "Sync from this host from now on, instead of the one that wrote there last.",
        "incus_project": "Incus project of the containers, if the usual one is another person's.",
        "agents": "Agents that new containers have from the start, separated by commas.",
        "storage_pool": "Incus storage pool for the disks of the containers.",
        "network": "Incus network for the containers.",
        "init_incus": "Create a storage pool and a network if Incus was never initialised.",
        "repair": "Restore restrictions of the Incus project and its profiles that were weakened.",
        "dry_run": "Show what would change, and change nothing.",
    },
    examples={
        "repoman setup": "Set up this host by answering questions",
        "repoman setup --local-repos ~/repos --nfs-repos /nfs/repos --dry-run": (
            "Show what would be set up"
        ),
        "repoman setup --local-repos ~/repos --nfs-repos /nfs/repos --init-incus --yes": (
            "Set up a host with a new Incus, without questions"
        ),
    },
    exit_codes={
        "4": "another setup is running",
        "5": "the backup share is not usable",
        "6": "refused, because the share belongs to another registry",
        "130": "interrupted, or a prompt was answered with no",
    },
)
def setup(
    session: Session,
    local_repos: str = "",
    nfs_repos: str = "",
    new_share: bool = False,
    adopt_share: bool = False,
    take_over: bool = False,
    incus_project: str = "",
    storage_pool: str = "",
    network: str = "",
    agents: str = "",
    init_incus: bool = False,
    repair: bool = False,
    dry_run: bool = False,
) -> None:
    """Set up this host: paths, registry, backup share, and a restricted Incus project.

    On a terminal it prompts for what is missing, and offers to create a first project. If all is
    set up already, it changes nothing.
    """
    session.incus_project = incus_project
    incus = {"incus_project": incus_project, "storage_pool": storage_pool, "bridge": network}
    home = session.host.home
    options = SetupOptions(
        absolute(local_repos, home) if local_repos else "",
        absolute(nfs_repos, home) if nfs_repos else "",
        new_share,
        adopt_share,
        take_over or adopt_share,
        {**{key: value for key, value in incus.items() if value}, **chosen_agents(agents)},
    )
    fence_options = FenceOptions(storage_pool, network, init_incus, repair)
    registry, plan = _plan(session, options, fence_options, dry_run=dry_run)
    lock = partial(_lock_setup, session, registry)
    adopts = _adopts_projects(plan)
    done = apply_plan(session, plan, dry_run=dry_run, default=not adopts, on_confirm=lock)
    if done and plan.share is not None and not plan.share.snapshot_names:
        session.screen.note(f"share: {NO_SNAPSHOTS}: {NO_SNAPSHOTS_CURE}")
    if done and session.follow_ups is None:
        session.screen.note(f"Next: repoman {'restore --all' if adopts else 'new NAME'}")


def _adopts_projects(plan: Plan) -> bool:
    """Return True if the plan registers projects, which only a person may approve."""
    written = (step for step in plan.steps if isinstance(step, WriteRegistry))
    return any(isinstance(edit, AddProject) for step in written for edit in step.edits)


def _plan(
    session: Session, options: SetupOptions, fence_options: FenceOptions, *, dry_run: bool
) -> tuple[Registry, Plan]:
    """Return the registry and the plan that sets up what is missing.

    Raise TargetUnusable if the share is not usable.
    """
    host, defaults = session.host, session.of(stored_registry).defaults
    check_own_project(session.of(incus).project)
    local = options.local_repos or absolute(defaults.local_repos, host.home)
    path = options.nfs_repos or absolute(defaults.nfs_repos, host.home)
    pending_share = open_share(host, path, local, defaults.probe_seconds, defaults.snapshots)
    exists = session.store.submit_exists()
    folders, rsync = host.submit_folders([local]), host.submit(_RSYNC)
    session.submit(fence_facts)
    registry = session.of(reconcile).registry
    share = session.stack.enter_context(pending_share)
    rsync.result()  # every sync needs rsync: raise now if it is missing
    check_share(share.probe, defaults)
    (real,) = folders.result()
    estate = str(uuid.uuid4())
    steps = setup_steps(registry, exists.result(), options, real is not None, share.probe, estate)
    if options.adopt_share and not registry.projects:  # also if the first try was interrupted
        steps += takeover_steps(session, share, registry)
    if options.take_over:
        steps += _other_writer_steps(session, share)
    steps = [*_fence_steps(session, fence_options, real or local), *steps]
    steps = _order_steps(session, steps, dry_run=dry_run)
    return registry, Plan(steps, share, step_runner(session))


def _other_writer_steps(session: Session, share: Share) -> list[Step]:
    """Return the step that takes the share over from another host, if that wrote there last."""
    mirrors, token = session.store.mirrors.submit_load(), share.submit_token()
    hostname = submit_hostname(session.host)
    found = other_writer(mirrors.result(), token.result(), hostname.result())
    return [TakeOverShare(share.probe.path, *found)] if found else []


def _fence_steps(session: Session, options: FenceOptions, local_repos: str) -> list[Step]:
    """Return the steps for Incus.

    If containers are not possible, raise the error if there are options for Incus, else print it.
    """
    facts = session.of(fence_facts)
    try:
        if isinstance(facts, RepomanError):
            raise facts
        facts = replace(facts, local_repos=local_repos)
        project = session.of(incus).project
        steps = fence_steps(facts, options, project)
    except RepomanError as problem:
        if options != FenceOptions() or session.incus_project:
            raise
        session.screen.note(f"containers: not set up, {problem}")
        return []
    if not options.repair:
        for finding in fence_findings(facts, project):
            if finding.cure == REPAIR_CURE:
                session.screen.note(f"{finding.what}: {finding.cure}")
    return steps


def _order_steps(session: Session, steps: list[Step], *, dry_run: bool) -> list[Step]:
    """Return the steps with those that need root first, and the registry last.

    Without the right to use sudo, print the commands that need root, and leave out their steps.
    """
    root_steps = [step for step in steps if isinstance(step, AsRoot)]
    others: list[Step] = [step for step in steps if not isinstance(step, AsRoot)]
    others.sort(key=lambda step: isinstance(step, WriteRegistry))
    if not root_steps or dry_run or session.dry or session.host.uid == 0:
        return [*root_steps, *others]
    for step in root_steps:
        session.screen.note(f"needs root, {step.why}: sudo {quoted(*step.argv)}")
    can_confirm = session.prompter.possible or session.prompter.yes
    if can_confirm and session.prompter.confirm(SUDO, default=False):
        return [*root_steps, *others]
    return others


def _lock_setup(session: Session, registry: Registry) -> None:
    """Hold the lock of `setup` until the session ends.

    Raise Busy if another process holds it, or if the stored registry is no longer `registry`.
    """
    path = f"{session.store.path}.setup"
    hold_lock(session, path, "another setup is running", wait_seconds=LOCK_SECONDS)
    if session.store.load() != registry:
        raise Busy("another command changed the registry meanwhile", "run setup again")

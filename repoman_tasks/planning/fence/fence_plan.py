"""Steps and findings about the whole fence: the Incus project, profiles, bridge and id map."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from urllib.parse import quote

from repoman_tasks.errors import Failed, RepomanError, UsageError, quoted
from repoman_tasks.model import Defaults
from repoman_tasks.planning.container.homes import nesting_project
from repoman_tasks.planning.container.memory_bound import memory_findings
from repoman_tasks.planning.fence.bridge_steps import network_findings, network_steps
from repoman_tasks.planning.fence.fence_facts import (
    DESCRIPTION,
    REPAIR_CURE,
    FenceFacts,
    FenceOptions,
    check_fence_facts,
)
from repoman_tasks.planning.fence.host_filter import filter_findings, filter_steps
from repoman_tasks.planning.fence.idmap import (
    container_ids_fault,
    container_ids_steps,
    missing_subids,
    subid_step,
)
from repoman_tasks.planning.fence.kernel_limits import kernel_findings, kernel_steps
from repoman_tasks.planning.fence.ownership import check_bridge_owner, check_project_owner
from repoman_tasks.planning.fence.profile_steps import profile_findings, profile_steps
from repoman_tasks.planning.fence.project_steps import (
    allow_step,
    check_own_project,
    create_project_step,
    old_folder_findings,
    project_faults,
    repair_project_step,
)
from repoman_tasks.planning.findings import Finding
from repoman_tasks.planning.steps import CallIncus, MakeFolder, Step

__all__ = ["fence_findings", "fence_steps", "nesting_steps", "selectable_pools"]

_DEFAULT_POOL = "default"
_DELETE_VOLUME = ("incus", "storage", "volume", "delete", "--project")
_MIN_FREE_MIB = 512
"""With less in the storage pool, programs in the containers will soon fail."""


def fence_steps(facts: FenceFacts, options: FenceOptions, project: str) -> list[Step]:
    """Return the steps that create or complete the fence of the Incus project `project`.

    Existing settings that differ are changed only with `options.repair`; `fence_findings`
    reports them. Raise RepomanError if there can be no fence.
    """
    check_fence_facts(facts)
    _check_owner(facts, options, project)
    pool, network = _pool(facts, options), _bridge(facts, options)
    steps = [*_pool_steps(facts, pool), *network_steps(facts, network)]
    # In this order: usermod adds no line for ids that are in a range already.
    steps += container_ids_steps(facts)
    if missing_subids(facts):
        steps.append(subid_step(facts.person))
    if facts.login_folder and not facts.login_exists:
        steps.append(MakeFolder(facts.login_folder, private=True))
    steps += [*kernel_steps(facts.kernel), *filter_steps(network, facts.filter_unit)]
    steps += _project_steps(facts, options, project, pool, network)
    return [*steps, *nesting_steps(facts, options, project)]


def nesting_steps(facts: FenceFacts, options: FenceOptions, project: str) -> list[Step]:
    """Return the steps that create or complete the Incus project that allows nesting.

    It is the one beside `project`, and has the same fence but for that. There are none if no
    container belongs there.
    """
    if facts.of_nesting is None:
        return []
    pool, network = _pool(facts, options), _bridge(facts, options)
    return _project_steps(facts.of_nesting, options, nesting_project(project), pool, network)


def _check_owner(facts: FenceFacts, options: FenceOptions, project: str) -> None:
    """Raise UsageError if one of the Incus projects or the bridge is another person's."""
    uid, name = facts.person.uid, options.network or facts.defaults.bridge
    check_project_owner(project, facts.project or {}, uid)
    if facts.nesting is not None:
        check_project_owner(nesting_project(project), facts.nesting.project or {}, uid)
    check_bridge_owner(name, facts.networks.get(name), facts.others, uid)


def _project_steps(
    facts: FenceFacts, options: FenceOptions, project: str, pool: str, network: str
) -> list[Step]:
    """Return the steps on an Incus project, with those on its profiles at the right place."""
    query = f"?project={quote(project, safe='')}"
    profiles = profile_steps(facts, options, pool, network, query)
    if facts.project is None:
        return [create_project_step(facts, project, network), *profiles]
    if not options.repair or not project_faults(facts, network):
        return profiles
    first = allow_step(facts, project, network) if profiles else None
    if not isinstance(first, CallIncus):
        return [*profiles, repair_project_step(facts, project, network)]
    wider = replace(facts, project=first.body["config"])
    last = [repair_project_step(wider, project, network)] if project_faults(wider, network) else []
    return [first, *profiles, *last]


def fence_findings(facts: FenceFacts, project: str) -> list[Finding]:
    """Return findings about parts of the fence that are missing or weaker than required."""
    try:
        check_own_project(project)
        check_fence_facts(facts)
        _check_owner(facts, FenceOptions(), project)
        pool, network = _pool(facts, FenceOptions()), _bridge(facts, FenceOptions())
    except RepomanError as problem:
        return [Finding("incus", problem.what, problem.cure, kind="fence")]
    findings = [*_subid_findings(facts), *kernel_findings(facts.kernel)]
    findings += _project_findings(facts, project, pool, network)
    if facts.of_nesting is not None:
        name = nesting_project(project)
        found = _project_findings(facts.of_nesting, name, pool, network)
        findings += [replace(one, what=_within(one.what, name)) for one in found]
    findings += _left_findings(facts, nesting_project(project))
    if facts.project is None:
        return findings
    findings += network_findings(facts, network)
    findings += filter_findings(network, facts.filter_unit)
    findings += memory_findings(facts.defaults.memory_total, facts.memory, facts.containers)
    return [*findings, *_pool_findings(facts, pool)]


def _project_findings(facts: FenceFacts, project: str, pool: str, network: str) -> list[Finding]:
    """Return the findings about an Incus project and its profiles."""
    if facts.project is None:
        what = f"the Incus project {project} does not exist"
        return [Finding("incus", what, "run `repoman setup`", kind="fence")]
    findings = []
    if faults := project_faults(facts, network):
        what = f"the Incus project {project} is not restricted as required: {'; '.join(faults)}"
        findings.append(Finding("incus", what, REPAIR_CURE, kind="fence"))
    findings += profile_findings(facts, pool, network)
    return [*findings, *old_folder_findings(facts)]


def _left_findings(facts: FenceFacts, project: str) -> list[Finding]:
    """Return the findings about containers and volumes that nobody knows.

    A `new` that was killed leaves such a container, `remove --keep-volume` such a volume.
    """
    return [
        Finding(
            "incus",
            f"a container without a project in the Incus project {project}: {name}",
            f"run `repoman adopt {quoted(name)}`, or delete it with "
            f"`{quoted('incus', 'delete', '--force', '--project', project, name)}`",
            kind="fence",
        )
        for name in facts.nesting_left
    ] + [
        Finding(
            "incus",
            f"a volume without a container in the Incus project {project}: {name}",
            f"`{quoted('repoman', 'new', name, '--nesting')}` gives it to a container, or delete "
            f"it with `{quoted(*_DELETE_VOLUME, project, pool, name)}`",
            kind="fence",
        )
        for pool, name in facts.nesting_volumes
    ]


def _within(what: str, project: str) -> str:
    """Return what a finding says, with the name of the Incus project."""
    return what if project in what else f"in the Incus project {project}, {what}"


def _subid_findings(facts: FenceFacts) -> list[Finding]:
    found, missing = [], missing_subids(facts)
    if fault := container_ids_fault(facts):
        cure = f"run `repoman setup`, or {', and '.join(map(str, container_ids_steps(facts)))}"
        found.append(Finding("incus", fault, cure, kind="fence"))
    if missing:
        what = f"missing lines: {', '.join(f'/etc/{line}' for line in missing)}"
        cure = f"run `repoman setup`, or {subid_step(facts.person)}"
        found.append(Finding("incus", what, cure, kind="fence"))
    return found


# --- the storage pool and the bridge --------------------------------------------------------


def _pool(facts: FenceFacts, options: FenceOptions) -> str:
    """Return the name of the storage pool for root disks; with `options.init` it may be new."""
    named = (options.storage_pool, facts.defaults.storage_pool)
    if facts.pools:
        return _select_pool(named, tuple(facts.pools))
    if not options.init:
        raise Failed(
            "Incus is not initialised, it has no storage pool",
            "run `repoman setup --init-incus` or `incus admin init`",
        )
    return next(filter(None, named), _DEFAULT_POOL)


def _select_pool(named: Iterable[str], pools: Sequence[str]) -> str:
    """Return the first of `named` that is not empty, else the default or only pool."""
    choice = next(filter(None, named), "")
    if choice and choice not in pools:
        raise UsageError(
            f"Incus has no storage pool {choice!r}", f"choose one of {', '.join(pools)}"
        )
    if choice or _DEFAULT_POOL in pools:
        return choice or _DEFAULT_POOL
    if len(pools) > 1:
        raise UsageError(
            f"Incus has several storage pools: {', '.join(pools)}", "choose one by --storage-pool"
        )
    return pools[0]


def selectable_pools(facts: FenceFacts) -> tuple[str, ...]:
    """Return the pools a person has to choose from; empty if the choice is clear."""
    pools = tuple(facts.pools)
    clear = facts.defaults.storage_pool or _DEFAULT_POOL in pools or len(pools) < 2
    return () if clear else pools


def _pool_steps(facts: FenceFacts, name: str) -> list[Step]:
    if name in facts.pools:
        return []
    body = {"name": name, "driver": "dir", "description": DESCRIPTION, "config": {}}
    what = f"create the storage pool {name} with the driver dir"
    return [CallIncus(what, "POST", "/1.0/storage-pools", body)]


def _pool_findings(facts: FenceFacts, name: str) -> list[Finding]:
    pool = facts.pools[name]
    if pool.free_mib >= _MIN_FREE_MIB:
        return []
    what = f"the storage pool {name} has {pool.free_mib} MiB free"
    return [Finding("incus", what, "make room in it, or enlarge it", kind="pool")]


def _bridge(facts: FenceFacts, options: FenceOptions) -> str:
    """Return the name of the bridge. Raise UsageError if it neither exists nor is repoman's."""
    name = options.network or facts.defaults.bridge
    if name not in facts.networks and name != Defaults().bridge and not options.init:
        existing = ", ".join(facts.networks) or "none"
        raise UsageError(
            f"Incus has no managed bridge {name!r}, existing ones: {existing}",
            "choose one by `repoman setup --network NAME`, or leave it out to create one",
        )
    return name

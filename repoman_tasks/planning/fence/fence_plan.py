"""The fence around the containers, all of it: what `setup` does about it, and where it is weaker.

Its parts are `fence_project`, `fence_profiles`, `fence_network` and `ids`; here they are put in
order, on the storage pool and the bridge that were chosen.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from urllib.parse import quote

from repoman_tasks.errors import Failed, RepomanError, UsageError
from repoman_tasks.model import Defaults
from repoman_tasks.planning.fence.bridge_steps import network_findings, network_steps
from repoman_tasks.planning.fence.fence_facts import FenceFacts, FenceOptions, check_fence_facts
from repoman_tasks.planning.fence.idmap import allow_ids, missing_ids
from repoman_tasks.planning.fence.profile_steps import profile_findings, profile_steps
from repoman_tasks.planning.fence.project_steps import (
    allowing_step,
    creating_step,
    old_folders,
    project_faults,
    strengthening_step,
)
from repoman_tasks.planning.findings import Finding
from repoman_tasks.planning.steps import CallIncus, MakeFolder, Step

__all__ = ["fence_findings", "fence_steps", "pools_to_choose"]

_FIRST_POOL = "default"
_LEAST_FREE_MIB = 512
"""With less in the storage pool, what runs in the containers will soon fail."""


def fence_steps(facts: FenceFacts, options: FenceOptions, project: str) -> list[Step]:
    """The steps to a fenced project; none where all is so.

    What exists and differs is changed only where `wish.repair` is set; until then
    `fence_findings` names it. `RepomanError` where it can't be.
    """
    check_fence_facts(facts)
    pool, network = _pool(facts, options), _bridge(facts, options)
    steps = [*_pool_steps(facts, pool), *network_steps(facts, network)]
    if missing_ids(facts):
        steps.append(allow_ids(facts.person))
    if facts.shared and not facts.shared_exists:
        steps.append(MakeFolder(facts.shared))
    at = f"?project={quote(project, safe='')}"
    profiles = profile_steps(facts, options, pool, network, at)
    return [*steps, *_around(facts, options, project, network, profiles)]


def _around(
    facts: FenceFacts, options: FenceOptions, project: str, network: str, profiles: list[Step]
) -> list[Step]:
    """The steps on the Incus project, around those on its profiles."""
    if facts.project is None:
        return [creating_step(facts, project, network), *profiles]
    if not options.repair or not project_faults(facts, network):
        return profiles
    allowing = allowing_step(facts, project, network) if profiles else None
    before = [allowing] if allowing else []
    return [*before, *profiles, strengthening_step(facts, project, network)]


def fence_findings(facts: FenceFacts, project: str) -> list[Finding]:
    """Where the fence is missing, or weaker than it should be."""
    try:
        check_fence_facts(facts)
        pool, network = _pool(facts, FenceOptions()), _bridge(facts, FenceOptions())
    except RepomanError as problem:
        return [Finding("incus", problem.what, problem.cure, kind="fence")]
    found = _id_findings(facts)
    if facts.project is None:
        what = f"the Incus project {project} does not exist"
        return [*found, Finding("incus", what, "`repoman setup` creates it", kind="fence")]
    if faults := project_faults(facts, network):
        what = f"the Incus project {project} does not hold: {'; '.join(faults)}"
        cure = "`repoman setup --repair` mends it"
        found.append(Finding("incus", what, cure, kind="fence"))
    found += [*profile_findings(facts, pool, network), *network_findings(facts, network)]
    return [*found, *_pool_findings(facts, pool), *old_folders(facts)]


def _id_findings(facts: FenceFacts) -> list[Finding]:
    missing = missing_ids(facts)
    if not missing:
        return []
    what = f"lines are missing: {', '.join(f'/etc/{line}' for line in missing)}"
    return [Finding("incus", what, f"`repoman setup`, or {allow_ids(facts.person)}")]


# --- the storage pool and the bridge --------------------------------------------------------


def _pool(facts: FenceFacts, options: FenceOptions) -> str:
    """The pool of the containers' disks: one that is there, or the one to be made."""
    named = (options.storage_pool, facts.defaults.storage_pool)
    if facts.pools:
        return _chosen("storage pool", "--storage-pool", named, tuple(facts.pools), _FIRST_POOL)
    if not options.init:
        raise Failed(
            "Incus was never initialised, it has no storage pool",
            "`repoman setup --init-incus`, or `incus admin init`",
        )
    return next(filter(None, named), _FIRST_POOL)


def pools_to_choose(facts: FenceFacts) -> tuple[str, ...]:
    """The pools of which a person has to name one, because none is named and none the usual."""
    there = tuple(facts.pools)
    settled = facts.defaults.storage_pool or _FIRST_POOL in there or len(there) < 2
    return () if settled else there


def _pool_steps(facts: FenceFacts, name: str) -> list[Step]:
    if name in facts.pools:
        return []
    body = {"name": name, "driver": "dir", "config": {}}
    what = f"create the storage pool {name}, in a plain folder"
    return [CallIncus(what, "POST", "/1.0/storage-pools", body)]


def _pool_findings(facts: FenceFacts, name: str) -> list[Finding]:
    pool = facts.pools[name]
    if pool.free_mib >= _LEAST_FREE_MIB:
        return []
    what = f"the storage pool {name} has {pool.free_mib} MiB free"
    return [Finding("incus", what, "make room in it, or enlarge it", kind="pool")]


def _bridge(facts: FenceFacts, options: FenceOptions) -> str:
    """The bridge of the containers: the one that was named, or repoman's own."""
    desired = options.network or facts.defaults.bridge
    if desired not in facts.networks and desired != Defaults().bridge and not options.init:
        there = ", ".join(facts.networks) or "none"
        raise UsageError(
            f"Incus has no network {desired!r}, of managed bridges it has {there}",
            "`repoman setup --network NAME` names one; without, repoman makes its own",
        )
    return desired


def _chosen(kind: str, flag: str, named: Iterable[str], there: Sequence[str], usual: str) -> str:
    """The one that was named, or the usual or only one."""
    desired = next(filter(None, named), "")
    if desired and desired not in there:
        raise UsageError(f"Incus has no {kind} {desired!r}", f"it has {', '.join(there)}")
    if desired or usual in there:
        return desired or usual
    if len(there) > 1:
        raise UsageError(f"which {kind}? Incus has {', '.join(there)}", f"add {flag}")
    return there[0]

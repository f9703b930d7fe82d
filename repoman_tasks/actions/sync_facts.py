"""Collects what a sync, or a comparison by the rules of a sync, needs to know."""

from __future__ import annotations

from repoman_tasks.actions.facts import reconcile
from repoman_tasks.errors import Failed
from repoman_tasks.hosts.base import Future, Host
from repoman_tasks.mirror.repo_mounts import submit_inner_mounts
from repoman_tasks.mirror.rsync_pass import SyncContext
from repoman_tasks.planning.findings import HUNG, UNHANG, EstateFacts
from repoman_tasks.planning.mirror.inner_mounts import InnerMounts
from repoman_tasks.planning.mirror.sync_plan import SyncPlan
from repoman_tasks.session import Session
from repoman_tasks.tools.share import Share

__all__ = ["submit_hostname", "sync_context"]


def sync_context(session: Session, share: Share, sync_plan: SyncPlan) -> SyncContext:
    """Return what the sync of each project of `sync_plan` needs."""
    facts, state = session.of(reconcile), session.store.mirrors
    registry = facts.registry
    session.host.walk_seconds = registry.defaults.stall_seconds
    roots = share.submit_roots([project.repo for project in sync_plan.projects])
    token, mirrors = share.submit_token(), state.submit_load()
    inner_mounts = submit_inner_mounts(share, registry, facts.local_repos, sync_plan.projects)
    hostname = submit_hostname(session.host)
    return SyncContext(
        host=session.host,
        share=share,
        roots=roots.result(),
        registry=registry,
        local_repos=facts.local_repos,
        options=sync_plan.options,
        emit=lambda _: None,
        now=session.now,
        lock_path=session.store.lock_path,
        manifest_path=state.manifest_path,
        mirrors=mirrors.result().having(registry.counted),
        token=token.result(),
        hostname=hostname.result(),
        inner_mounts={**inner_mounts.result(), **_hung_repos(facts)},
    )


def _hung_repos(facts: EstateFacts) -> dict[str, InnerMounts]:
    """Return the error of each project whose repo does not answer."""
    hung = {name: state for name, state in facts.repos.items() if state.problem == HUNG}
    return {
        name: InnerMounts(problem=Failed(f"{state.path} {HUNG}", UNHANG))
        for name, state in hung.items()
    }


def submit_hostname(host: Host) -> Future[str]:
    """Ask for the name of `host`, as it knows itself."""
    name = host.submit_file("/proc/sys/kernel/hostname")
    return name.then(lambda data: (data or b"").decode(errors="replace").strip() or "unknown")

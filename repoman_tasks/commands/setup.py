"""`setup`: the paths, the registry, and the marker on the share."""

from __future__ import annotations

import uuid

from repoman_tasks.apply import carry_out
from repoman_tasks.checks import reconcile
from repoman_tasks.cli.task import task
from repoman_tasks.errors import Busy
from repoman_tasks.host import Locked
from repoman_tasks.model import Registry
from repoman_tasks.planning.names import absolute
from repoman_tasks.planning.setup import SetupWish, setup_steps
from repoman_tasks.planning.share import judge
from repoman_tasks.session import Session
from repoman_tasks.tools.share import open_share


@task(
    pre=[reconcile],
    help={
        "local_repos": "Folder of the local working copies.",
        "nfs_repos": "Folder on the backup share.",
        "new_share": "Mark this share although the estate has marked another one.",
        "adopt_share": "Take over the estate of this share, after its registry was lost.",
        "dry_run": "Show what would change.",
    },
)
def setup(
    session: Session,
    local_repos: str = "",
    nfs_repos: str = "",
    new_share: bool = False,
    adopt_share: bool = False,
    dry_run: bool = False,
) -> None:
    """Set up this host: paths, registry, and the marker on the backup share."""
    host, store = session.host, session.store
    registry = session.of(reconcile).registry
    defaults = registry.defaults
    local = absolute(local_repos or defaults.local_repos, host.home)
    path = absolute(nfs_repos or defaults.nfs_repos, host.home)
    wish = SetupWish(
        local if local_repos else "", path if nfs_repos else "", new_share, adopt_share
    )
    share = session.stack.enter_context(open_share(host, path, local, defaults.probe_seconds))
    judge(share.probe, defaults)
    steps = setup_steps(
        registry,
        store.exists(),
        wish,
        host.real_folder(local) is not None,
        share.probe,
        str(uuid.uuid4()),
    )
    if carry_out(
        session, steps, dry_run=dry_run, share=share, agreed=lambda: _alone(session, registry)
    ):
        session.screen.note("Next: repoman new NAME --no-container")


def _alone(session: Session, registry: Registry) -> None:
    """Hold the set-up's lock until the session ends. `Busy` where another set-up was faster."""
    lock = session.host.lock(f"{session.store.path}.setup", wait_seconds=10)
    try:
        session.stack.enter_context(lock)
    except Locked as error:
        raise Busy(f"another setup is running, {error}", "let it finish") from None
    if session.store.load() != registry:
        raise Busy("another setup or command changed the registry meanwhile", "run setup again")

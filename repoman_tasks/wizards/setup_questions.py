"""Prompt for the arguments of `setup`, then offer a first project and its first sync."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from repoman_tasks.actions.facts import fence_facts, incus, reconcile
from repoman_tasks.actions.restore_checks import missing_repos
from repoman_tasks.cli.wizard import Wizard
from repoman_tasks.errors import Refused, UsageError
from repoman_tasks.planning.container.agents import AGENT_NAMES
from repoman_tasks.planning.estate_steps import SetupOptions, choose_estate_id, chosen_agents
from repoman_tasks.planning.fence.fence_facts import FenceFacts, check_folder
from repoman_tasks.planning.fence.fence_plan import selectable_pools
from repoman_tasks.planning.fence.login_profile import shared_folders
from repoman_tasks.planning.fence.ownership import check_project_owner
from repoman_tasks.planning.mirror.share_check import check_share
from repoman_tasks.planning.names import absolute
from repoman_tasks.planning.prompts import (
    ADOPT_SHARE,
    AGENTS,
    CLOSE_SHARED,
    FIRST_PROJECT,
    INIT_INCUS,
    LOCAL_REPOS,
    MIRROR,
    NFS_REPOS,
    POOL,
    RESTORE_ALL,
)
from repoman_tasks.planning.text.wording import plural
from repoman_tasks.session import Session
from repoman_tasks.tools.share import mounted_shares, open_share
from repoman_tasks.wizards.new_questions import check_new, possible_names

__all__ = ["ask_setup"]

_NO_AGENT = "none"
"""Not the name of an agent."""
_NOT_NOW = "not now"
"""Not a valid project name."""


def ask_setup(wizard: Wizard) -> None:
    """Prompt for the paths that the registry lacks, and for what Incus still needs.

    Offer a first project afterwards, unless options gave everything.
    """
    arguments, session = wizard.arguments, wizard.session
    by_flags = arguments["local_repos"] and arguments["nfs_repos"] and not arguments["adopt_share"]
    _ask_paths(wizard)
    _ask_incus(wizard)
    only_looks = arguments["dry_run"] or session.dry
    if not (by_flags or only_looks or arguments["repair"] or session.prompter.yes):
        session.follow_ups = partial(_follow_ups, session)


def _ask_paths(wizard: Wizard) -> None:
    session, arguments = wizard.session, wizard.arguments
    registry, home = session.of(reconcile).registry, session.host.home
    if registry.origins.get("local_repos") != "registry":
        arguments["local_repos"] = arguments["local_repos"] or wizard.choose(
            LOCAL_REPOS,
            options={},
            default=registry.defaults.local_repos,
            free=True,
            check=lambda answer: _check_local(session, absolute(answer, home)),
        )
    if registry.origins.get("nfs_repos") != "registry":
        local = absolute(arguments["local_repos"] or registry.defaults.local_repos, home)
        arguments["nfs_repos"] = arguments["nfs_repos"] or _ask_share(wizard, local)


def _check_local(session: Session, path: str) -> None:
    """Raise UsageError if containers are possible but no folder in `path` can be mounted."""
    if isinstance(session.of(fence_facts), FenceFacts):
        check_folder(path)


def _ask_share(wizard: Wizard, local: str) -> str:
    session = wizard.session
    defaults = session.of(reconcile).registry.defaults
    there = mounted_shares(session.host, defaults.nfs_fstypes)
    usual = defaults.nfs_repos
    on_one = any(usual == path or usual.startswith(f"{path}/") for path in there)
    options = dict.fromkeys([usual, *there] if on_one else there, "")
    return wizard.choose(
        NFS_REPOS,
        options=options,
        default=usual if on_one else next(iter(there), usual),
        free=True,
        check=lambda answer: _check_share(wizard, answer, local),
    )


def _check_share(wizard: Wizard, answer: str, local: str) -> None:
    """Raise TargetUnusable or Refused if `answer` can't be the share."""
    session, arguments = wizard.session, wizard.arguments
    registry, host = session.of(reconcile).registry, session.host
    path = absolute(answer, host.home)
    options = SetupOptions(new_share=arguments["new_share"], adopt_share=arguments["adopt_share"])
    with open_share(host, path, local, registry.defaults.probe_seconds) as share:
        check_share(share.probe, registry.defaults)
        try:
            choose_estate_id(registry.estate.id, options, share.probe, "new")
        except Refused:
            known = registry.estate.id or not (share.probe.marker and share.probe.marker.estate)
            if known or not session.prompter.confirm(ADOPT_SHARE, path, default=False):
                raise
            arguments["adopt_share"] = True


def _ask_incus(wizard: Wizard) -> None:
    """Prompt for what Incus needs and repoman can't know."""
    wizard.session.incus_project = wizard.arguments["incus_project"]
    found = wizard.session.of(fence_facts)
    if not isinstance(found, FenceFacts) or found.person.uid == 0:
        return
    if not found.pools and wizard.confirm(INIT_INCUS):
        wizard.arguments["init_incus"] = True
    if (folders := shared_folders(found)) and wizard.confirm(CLOSE_SHARED, ", ".join(folders)):
        wizard.arguments["repair"] = True
    pools = selectable_pools(found)
    if pools and not wizard.arguments["storage_pool"]:
        wizard.arguments["storage_pool"] = wizard.choose(POOL, options=dict.fromkeys(pools, ""))
    origins = wizard.session.of(reconcile).registry.origins
    if origins.get("nfs_repos") != "registry" and not wizard.arguments["agents"]:
        _ask_agents(wizard)


def _ask_agents(wizard: Wizard) -> None:
    """Prompt for the agents of new containers, by default none."""
    options = {_NO_AGENT: "none: you install what you need", **dict.fromkeys(AGENT_NAMES, "")}

    def check(answer: str) -> None:
        if answer != _NO_AGENT:
            chosen_agents(answer)

    answer = wizard.choose(AGENTS, options=options, default=_NO_AGENT, free=True, check=check)
    wizard.arguments["agents"] = "" if answer == _NO_AGENT else answer


# --- follow-ups -------------------------------------------------------------------------


def _follow_ups(session: Session) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield `restore` of what is missing, and `new` if there is no project.

    Then `sync` of the one that was never mirrored.
    """
    session.discard_facts()
    if missing := missing_repos(session):
        repos = plural(len(missing), "missing repo", "missing repos")
        if session.prompter.confirm(RESTORE_ALL, repos, default=True):
            yield "restore", {"all": True}
            session.discard_facts()
    if not session.of(reconcile).registry.projects:
        name = _first_project(session)
        if name == _NOT_NOW:
            return
        yield "new", {"name": name, "no_container": _without_containers(session)}
        session.discard_facts()
    projects = session.of(reconcile).registry.projects
    waiting = [p.name for p in projects if p.backup and not p.last_sync]
    if len(waiting) == 1 and session.prompter.confirm(MIRROR, waiting[0], default=True):
        yield "sync", {"name": waiting[0]}


def _first_project(session: Session) -> str:
    """Prompt for the name of a first project; return _NOT_NOW if there is to be none."""

    def check(name: str) -> None:
        if name != _NOT_NOW:
            check_new(session, name)

    options = {**possible_names(session), _NOT_NOW: ""}
    return session.prompter.choose(
        FIRST_PROJECT, options=options, default=_NOT_NOW, free=True, check=check
    )


def _without_containers(session: Session) -> bool:
    """Return True if this host can have no containers; `setup` has printed why."""
    found = session.of(fence_facts)
    if not isinstance(found, FenceFacts) or found.project is None:
        return True
    try:
        check_project_owner(session.of(incus).project, found.project, found.person.uid)
    except UsageError:
        return True
    return False

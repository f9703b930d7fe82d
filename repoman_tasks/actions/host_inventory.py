"""Finds what there is on a host of everything that repoman may have made, for `uninstall`."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from repoman_tasks.actions.facts import containers, copies_folder, incus, stored_registry, volumes
from repoman_tasks.errors import Failed, RepomanError
from repoman_tasks.hosts.base import Host
from repoman_tasks.planning.completion_files import (
    SHELLS,
    CompletionFile,
    completion_files,
    is_ours,
)
from repoman_tasks.planning.container.homes import nesting_project
from repoman_tasks.planning.container.spec import Container
from repoman_tasks.planning.container.template_plan import BASE_KEY, parse_images
from repoman_tasks.planning.fence.fence_facts import DESCRIPTION
from repoman_tasks.planning.fence.host_filter import filter_path
from repoman_tasks.planning.fence.idmap import subids_left
from repoman_tasks.planning.fence.kernel_limits import LIMITS_FILE
from repoman_tasks.planning.guard_files import guard_path
from repoman_tasks.planning.inventory import HostFacts, pool_users
from repoman_tasks.planning.names import absolute
from repoman_tasks.registry.names_file import state_folder
from repoman_tasks.session import Session
from repoman_tasks.tools.forbidden_paths import real_paths
from repoman_tasks.tools.git_guard_files import submit_guard
from repoman_tasks.tools.incus import Incus, profiles_path, project_path
from repoman_tasks.tools.nightly_files import has_systemd, read_crontab, read_units
from repoman_tasks.tools.person import submit_person
from repoman_tasks.tools.ssh_access import submit_ssh_files

__all__ = ["find_inventory", "log_path"]

_IMAGES = "/1.0/images?project=default"
_LOG = "REPOMAN_LOG"
_SUBIDS = ("/etc/subuid", "/etc/subgid")


def find_inventory(session: Session) -> HostFacts:
    """Return what there is. Raise Failed if Incus does not answer, though a project needs it."""
    host, defaults = session.host, session.of(stored_registry).defaults
    guard, somebody = submit_guard(host).result(), submit_person(host)
    paths = [absolute(path, host.home) for path in (defaults.local_repos, defaults.nfs_repos)]
    facts = HostFacts(
        incus_project=defaults.incus_project,
        bridge=defaults.bridge,
        kept=tuple(real_paths(host, paths)),
        units=tuple(read_units(host)),
        systemd=has_systemd(host),
        crontab=_crontab(host),
        completions=tuple(_completions(host)),
        guard=guard,
        ssh=submit_ssh_files(host, somebody).result(),
        filter_unit=_text(host, filter_path(defaults.bridge)),
        subids=subids_left(somebody.result(), *(_text(host, path) for path in _SUBIDS)),
        limits_file=_text(host, LIMITS_FILE),
        folders=tuple(_folders(session)),
        copies=_existing(host, copies_folder(session)),
        files=tuple(_files(session)),
    )
    return _with_incus(session, facts)


def _existing(host: Host, folder: str) -> str:
    """Return `folder`, or an empty string if it does not exist."""
    return folder if host.real_folder(folder) is not None else ""


def _text(host: Host, path: str) -> str | None:
    data = host.read_file(path)
    return None if data is None else data.decode(errors="replace")


def _crontab(host: Host) -> str:
    with suppress(Failed):  # no cron
        return read_crontab(host)
    return ""


def _completions(host: Host) -> list[CompletionFile]:
    files = []
    for shell in SHELLS:
        for file in completion_files(shell, host.environ, host.home):
            content = host.read_file(file.path)
            ours = content is not None and is_ours(content)
            files.append(replace(file, content=content, ours=ours))
    return files


def _folders(session: Session) -> list[str]:
    """Return the folders of the state, of the data and of the locks that exist."""
    host = session.host
    data = guard_path(host.environ, host.home).removesuffix("/bin/git")
    folders = [data, state_folder(host), f"{session.store.folder}/locks"]
    return [folder for folder in folders if host.real_folder(folder) is not None]


def _files(session: Session) -> list[str]:
    """Return the files beside the registry, the log, and at last the registry, that exist."""
    host, registry = session.host, session.store.path
    name = registry.rpartition("/")[2]
    argv = ["find", session.store.folder, "-mindepth", "1", "-maxdepth", "1", "-type", "f"]
    names = host.read([*argv, "-printf", r"%f\0"]).text.split("\0")[:-1]
    ends = (".lock", ".completion", ".schema-", ".setup", ".new")
    beside = [one for one in names if one.startswith(tuple(name + end for end in ends))]
    files = [f"{session.store.folder}/{one}" for one in sorted(beside)]
    # A log with nothing in it was opened by this very command.
    files += [log] if (log := log_path(host)) and host.read(["test", "-s", log]).code == 0 else []
    return [path for path in [*files, registry] if host.read(["test", "-f", path]).code == 0]


def log_path(host: Host) -> str:
    """Return the path of the log of changes, empty if there is none."""
    log = host.environ.get(_LOG, "")
    return absolute(log, host.home) if log else ""


# --- Incus ----------------------------------------------------------------------------------


def _with_incus(session: Session, facts: HostFacts) -> HostFacts:
    answer, projects = session.of(containers), session.of(stored_registry).projects
    if answer.problem:
        if any(project.container for project in projects):
            raise Failed(*answer.problem)
        return facts  # it was never used, or is gone with all that was in it
    there, name = session.of(incus), quote(facts.bridge, safe="")
    first, second = there.project, nesting_project(there.project)
    project, nesting = (there.get(project_path(one)) for one in (first, second))
    found, pools_of_volumes = _with_second(session, answer.by_name, there=nesting is not None)
    network, acl = there.submit(f"/1.0/networks/{name}"), there.submit(f"/1.0/network-acls/{name}")
    bases = {c.config.get(BASE_KEY, "") for c in found.values()} - {""}
    pools = there.submit("/1.0/storage-pools", recursion=1)
    return replace(
        facts,
        project=project,
        nesting=nesting,
        containers=found,
        volumes=pools_of_volumes,
        images=tuple(sorted(one for one in bases if _is_downloaded(there, one))),
        built=tuple(parse_images(there.get(_IMAGES, recursion=1), facts.incus_project)),
        profiles=_profiles(there, first) if project else (),
        nesting_profiles=_profiles(there, second) if nesting else (),
        network=network.result(),
        acl=acl.result(),
        pools={
            str(pool["name"]): pool_users(pool.get("used_by") or [], facts.incus_project)
            for pool in pools.result() or []
            if pool.get("description") == DESCRIPTION
        },
    )


def _with_second(
    session: Session, found: Mapping[str, Container], *, there: bool
) -> tuple[Mapping[str, Container], Mapping[str, str]]:
    """Return all containers and volumes; the second Incus project may have some unknown ones."""
    daemon, known = session.of(incus), session.of(volumes)
    second = nesting_project(daemon.project)
    if not there or second in daemon.homes.projects:
        return found, known
    more, others = daemon.submit_containers_in(second), daemon.submit_volumes_in(second)
    return {**more.result(), **found}, {**others.result(), **known}


def _profiles(there: Incus, project: str) -> tuple[str, ...]:
    return tuple(str(profile["name"]) for profile in there.get(profiles_path(project), 1) or [])


def _is_downloaded(there: Incus, fingerprint: str) -> bool:
    """Return True if Incus downloaded the image by itself, and would delete it some day."""
    with suppress(RepomanError):
        image: Mapping[str, Any] = (
            there.get(f"/1.0/images/{quote(fingerprint, safe='')}?project=default") or {}
        )
        return bool(image.get("cached"))
    return False

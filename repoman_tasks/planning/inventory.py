"""Everything that repoman makes on a host, and the steps that take it away. Pure.

`uninstall` removes what is listed here, in this order. What a command makes stands in MADE_BY, and
what each step leaves behind in LEFT_BY; tests look for every command and every step there. The
repos, their mirrors and the marker on the share are never removed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from urllib.parse import parse_qsl, quote, urlsplit

from repoman_tasks.errors import quoted
from repoman_tasks.late_dataclass import dataclass
from repoman_tasks.planning import steps as kinds
from repoman_tasks.planning.completion_files import CompletionFile, removal_steps
from repoman_tasks.planning.container.homes import nesting_project
from repoman_tasks.planning.container.spec import BUILD_TAG, PROJECT_TAG, Container
from repoman_tasks.planning.container.template_plan import BuiltImage
from repoman_tasks.planning.container.template_plan import removal_steps as image_removal
from repoman_tasks.planning.fence.fence_facts import DESCRIPTION
from repoman_tasks.planning.fence.host_filter import filter_removal
from repoman_tasks.planning.fence.kernel_limits import limits_removal
from repoman_tasks.planning.guard_files import Guard, remove_guard
from repoman_tasks.planning.names import inside
from repoman_tasks.planning.nightly_job import Unit, remove_cron, remove_timer
from repoman_tasks.planning.ssh_files import SshFiles, remove_ssh_steps
from repoman_tasks.planning.steps import (
    CallIncus,
    DeleteContainer,
    DeleteFile,
    DeleteFolder,
    DeleteVolume,
    RunProgram,
    Step,
)

__all__ = ["INVENTORY", "LEFT_BY", "MADE_BY", "HostFacts", "left_alone", "pool_users"]
__all__ += ["uninstall_steps"]


@dataclass(frozen=True)
class HostFacts:
    """The parts that a host has of all that repoman may have made."""

    incus_project: str = ""
    bridge: str = ""
    kept: tuple[str, ...] = ()
    """Folders that are never removed: the real paths of repos and share."""
    units: tuple[Unit, ...] = ()
    systemd: bool = False
    crontab: str = ""
    completions: tuple[CompletionFile, ...] = ()
    guard: Guard | None = None
    ssh: SshFiles | None = None
    project: Mapping[str, object] | None = None
    """The Incus project as Incus has it; None if there is none."""
    nesting: Mapping[str, object] | None = None
    """The one that allows nesting."""
    containers: Mapping[str, Container] | None = None
    volumes: Mapping[str, str] | None = None
    """Each with its pool."""
    images: tuple[str, ...] = ()
    """Fingerprints of images that Incus downloaded for the containers, and keeps for a while."""
    built: tuple[BuiltImage, ...] = ()
    """Images that were built for templates."""
    profiles: tuple[str, ...] = ()
    nesting_profiles: tuple[str, ...] = ()
    network: Mapping[str, object] | None = None
    acl: Mapping[str, object] | None = None
    pools: Mapping[str, tuple[str, ...]] | None = None
    """Storage pools that repoman made, each with what else uses it, by its path in Incus."""
    subids: tuple[tuple[str, ...], ...] = ()
    """The argvs that remove, as root, root's permission to map the person's ids."""
    filter_unit: str | None = None
    limits_file: str | None = None
    folders: tuple[str, ...] = ()
    """Folders that only repoman writes, of those that exist."""
    copies: str = ""
    """Folder of the repos' copies that `snapshot` made, and of what `undo` replaced."""
    files: tuple[str, ...] = ()
    """Files of repoman's that exist elsewhere."""

    @property
    def strays(self) -> list[str]:
        """Containers in the Incus project that repoman did not make."""
        tags = {PROJECT_TAG, BUILD_TAG}
        return [n for n, c in (self.containers or {}).items() if tags.isdisjoint(c.config)]

    @property
    def project_is_ours(self) -> bool:
        """True if repoman made the Incus project."""
        return _is_ours(self.project)

    @property
    def stays(self) -> bool:
        """True if something in Incus that is not repoman's needs what repoman made."""
        return bool(self.strays) or not self.all_ours

    @property
    def all_ours(self) -> bool:
        """True if repoman made each of the Incus projects that there are."""
        return all(_is_ours(one) for one in (self.project, self.nesting) if one is not None)

    def is_of_ours(self, container: Container) -> bool:
        """Return True if repoman made the Incus project that the container is in."""
        second = container.home == nesting_project(self.incus_project)
        return _is_ours(self.nesting if second else self.project)

    @property
    def bridge_is_ours(self) -> bool:
        """True if repoman made the bridge."""
        return (self.network or {}).get("description") == DESCRIPTION


def _is_ours(project: Mapping[str, object] | None) -> bool:
    return (project or {}).get("description") == DESCRIPTION


# --- parts ----------------------------------------------------------------------------------


def _nightly(facts: HostFacts) -> list[Step]:
    timer = remove_timer(facts.units)
    if not facts.systemd:  # nothing runs the units then
        timer = [step for step in timer if not isinstance(step, RunProgram)]
    return [*timer, *remove_cron(facts.crontab)]


def _completion(facts: HostFacts) -> list[Step]:
    return removal_steps(facts.completions)


def _guard(facts: HostFacts) -> list[Step]:
    return remove_guard(facts.guard) if facts.guard and not facts.guard.foreign else []


def _ssh(facts: HostFacts) -> list[Step]:
    return remove_ssh_steps(facts.ssh) if facts.ssh else []


def _images(facts: HostFacts) -> list[Step]:
    return [
        CallIncus(f"delete the image {one[:12]}, which was downloaded", "DELETE", _at(one), {})
        for one in facts.images
    ] + image_removal(facts.built)


def _at(fingerprint: str) -> str:
    return f"/1.0/images/{quote(fingerprint, safe='')}?project=default"


def _containers(facts: HostFacts) -> list[Step]:
    return [
        DeleteContainer(name, f", which is {one.status}" if one.status != "stopped" else "")
        for name, one in (facts.containers or {}).items()
        if name not in facts.strays and facts.is_of_ours(one)
    ]


def _volumes(facts: HostFacts) -> list[Step]:
    volumes, containers = facts.volumes or {}, facts.containers or {}
    return [
        DeleteVolume(name, pool)
        for name, pool in volumes.items()
        if name not in facts.strays
        and (facts.is_of_ours(containers[name]) if name in containers else facts.all_ours)
    ]


def _snapshots(facts: HostFacts) -> list[Step]:
    return [DeleteFolder(facts.copies)] if facts.copies else []


def _project(facts: HostFacts) -> list[Step]:
    if facts.strays:
        return []
    first, second = facts.incus_project, nesting_project(facts.incus_project)
    return [
        *(_delete_project(second, facts.nesting_profiles) if _is_ours(facts.nesting) else []),
        *(_delete_project(first, facts.profiles) if facts.project_is_ours else []),
    ]


def _delete_project(name: str, profiles: Iterable[str]) -> list[Step]:
    query = f"?project={quote(name, safe='')}"
    return [
        *(
            CallIncus(
                f"delete the profile {profile}",
                "DELETE",
                f"/1.0/profiles/{quote(profile, safe='')}{query}",
                {},
            )
            for profile in profiles
            if profile != "default"
        ),
        CallIncus(
            f"delete the Incus project {name}",
            "DELETE",
            f"/1.0/projects/{quote(name, safe='')}",
            {},
        ),
    ]


def _network(facts: HostFacts) -> list[Step]:
    if facts.strays or not facts.bridge_is_ours:
        return []
    name = facts.bridge
    bridge = CallIncus(
        f"delete the bridge {name}", "DELETE", f"/1.0/networks/{quote(name, safe='')}", {}
    )
    rules = CallIncus(
        f"delete the network ACL {name}", "DELETE", f"/1.0/network-acls/{quote(name, safe='')}", {}
    )
    return [bridge, *([rules] if facts.acl is not None else [])]


def _pools(facts: HostFacts) -> list[Step]:
    return [
        CallIncus(
            f"delete the storage pool {name}",
            "DELETE",
            f"/1.0/storage-pools/{quote(name, safe='')}",
            {},
        )
        for name, users in (facts.pools or {}).items()
        if not users and not facts.stays
    ]


def pool_users(used_by: Iterable[str], project: str) -> tuple[str, ...]:
    """Return what uses a storage pool, of the paths in `used_by`, outside of an Incus project.

    The one beside it that allows nesting does not count, and images do not: what a pool has of them
    is a copy, which goes with it.
    """
    own = (project, nesting_project(project))
    return tuple(
        path
        for path in used_by
        if not path.startswith("/1.0/images/")
        and dict(parse_qsl(urlsplit(path).query)).get("project", "default") not in own
    )


def _rules_of_host(facts: HostFacts) -> list[Step]:
    if facts.strays:
        return []
    return [
        *filter_removal(facts.bridge, facts.filter_unit),
        *limits_removal(facts.limits_file),
    ]


def _folders(facts: HostFacts) -> list[Step]:
    return [
        DeleteFolder(folder)
        for folder in facts.folders
        if not any(inside(kept, folder) for kept in facts.kept)
    ]


def _files(facts: HostFacts) -> list[Step]:
    return [DeleteFile(path) for path in facts.files]


INVENTORY: Mapping[str, Callable[[HostFacts], list[Step]]] = {
    "nightly sync": _nightly,
    "completion": _completion,
    "guard for git": _guard,
    "configuration of ssh": _ssh,
    "images": _images,
    "containers": _containers,
    "volumes": _volumes,
    "snapshots": _snapshots,
    "Incus project and profiles": _project,
    "bridge and its rules": _network,
    "storage pool": _pools,
    "settings of the host": _rules_of_host,
    "log and registry": _files,
    "state, logins, approvals and locks": _folders,
}
"""All that repoman makes, in the order in which it is removed, so that an interrupted command
can be repeated: the registry says where the parts before it are. The state is the last, because
each command caches names there while there is a registry."""

_STATE, _REGISTRY = "state, logins, approvals and locks", "log and registry"
_IN_INCUS = ("containers", "volumes", "images")

MADE_BY: Mapping[str, tuple[str, ...]] = {
    "adopt": (*_IN_INCUS, _STATE, _REGISTRY),
    "agent": ("containers", _STATE),
    "completion": ("completion", _REGISTRY),
    "exec": (_STATE,),
    "forward": (_STATE,),
    "git-guard": ("guard for git", _STATE),
    "history": (),
    "list": (_STATE,),
    "log": (),
    "login": (_STATE, _REGISTRY),
    "new": (*_IN_INCUS, _STATE, _REGISTRY),
    "nightly": ("nightly sync", _STATE),
    "remove": (_STATE, _REGISTRY),
    "rename": (_STATE, _REGISTRY),
    "reset": (*_IN_INCUS, _STATE),
    "restart": (_STATE,),
    "restore": (_STATE,),
    "setup": (
        "Incus project and profiles",
        "bridge and its rules",
        "storage pool",
        "settings of the host",
        _STATE,
        _REGISTRY,
    ),
    "shell": (_STATE,),
    "snapshot": (*_IN_INCUS, "snapshots", _STATE),
    "ssh-config": ("configuration of ssh", _STATE),
    "start": (_STATE,),
    "status": (_STATE, *_IN_INCUS, _REGISTRY),
    "stop": (_STATE,),
    "sync": (_STATE, _REGISTRY),
    "template": ("containers", "images", _STATE),
    "trust": (_STATE,),
    "undo": (*_IN_INCUS, "snapshots", _STATE),
    "uninstall": (_STATE,),
    "untrust": (_STATE,),
    "update": (*_IN_INCUS, _STATE, _REGISTRY),
    "verify": (_STATE,),
}
"""The parts of INVENTORY that each command makes or adds to."""

_NOTHING, _REPOS = "it leaves nothing", "repos and mirrors are never removed"
LEFT_BY: Mapping[type, str] = {
    kinds.AdoptContainer: "containers",
    kinds.ArrangeUser: "containers",
    kinds.AsRoot: "settings of the host",
    kinds.BuildImage: "images",
    kinds.CallIncus: "Incus project and profiles",
    kinds.ChangeContainer: "containers",
    kinds.ChangeState: "containers",
    kinds.CloneRepo: _REPOS,
    kinds.CreateContainer: "containers",
    kinds.CreateVolume: "volumes",
    kinds.DeleteContainer: _NOTHING,
    kinds.DeleteFile: _NOTHING,
    kinds.DeleteFolder: _NOTHING,
    kinds.DeleteMirror: _NOTHING,
    kinds.DeleteRepo: _NOTHING,
    kinds.DeleteSnapshot: _NOTHING,
    kinds.DeleteVolume: _NOTHING,
    kinds.EmptyVolume: _NOTHING,
    kinds.MakeFolder: _STATE,
    kinds.MakeRepo: _REPOS,
    kinds.MarkShare: _REPOS,
    kinds.NoteUndo: "snapshots",
    kinds.RebuildContainer: "containers",
    kinds.RenameFolder: _REPOS,
    kinds.RenameMirror: _REPOS,
    kinds.RenameState: _STATE,
    kinds.RestoreRepo: _REPOS,
    kinds.ReturnContainer: "containers",
    kinds.ReturnRepo: "snapshots",
    kinds.RunProgram: "nightly sync",
    kinds.TakeOverShare: _REPOS,
    kinds.TakeSnapshot: "snapshots",
    kinds.WriteFile: "completion",
    kinds.WriteRegistry: _REGISTRY,
}
"""The part of INVENTORY that has what a step leaves on the host, or why none has it."""


def uninstall_steps(facts: HostFacts) -> list[Step]:
    """Return the steps that remove what there is of INVENTORY; none if nothing is left."""
    return [step for part in INVENTORY.values() for step in part(facts)]


def left_alone(facts: HostFacts) -> list[str]:
    """Return what was found, but is not repoman's or holds what is never removed, as sentences."""
    left = [f"the container {name} stays, repoman did not make it" for name in facts.strays]
    if facts.strays:
        left.append("the Incus project and its bridge stay, because that container is there")
    if facts.project is not None and not facts.project_is_ours:
        left.append(f"the Incus project {facts.incus_project} stays, repoman did not make it")
    if facts.nesting is not None and not _is_ours(facts.nesting):
        second = nesting_project(facts.incus_project)
        left.append(f"the Incus project {second} stays, repoman did not make it")
    if facts.network is not None and not facts.bridge_is_ours:
        left.append(f"the bridge {facts.bridge} stays, repoman did not make it")
    left += [
        f"the storage pool {name} stays, {users[0]} uses it"
        for name, users in (facts.pools or {}).items()
        if users
    ]
    if facts.subids:
        what = "root may map your ids into containers, also into those of other programs"
        commands = " and ".join(f"`sudo {quoted(*argv)}`" for argv in facts.subids)
        left.append(f"{what}; if none needs that, run {commands}")
    if facts.guard is not None and facts.guard.foreign:
        left.append(f"{facts.guard.path} stays, repoman did not write it")
    left += [
        f"{folder} stays, because {kept} is in it"
        for folder in facts.folders
        for kept in facts.kept
        if inside(kept, folder)
    ]
    return left

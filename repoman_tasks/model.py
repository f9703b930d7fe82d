"""The values that everything here talks about. No I/O, no clock, no environment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import Field, dataclass, field, fields
from typing import Any

__all__ = [
    "MODES",
    "SCHEMA",
    "TRANSPORTS",
    "Address",
    "Defaults",
    "Estate",
    "Excludes",
    "Mount",
    "Pairs",
    "Person",
    "Project",
    "Registry",
    "Requested",
    "Tally",
    "env_name",
    "keys",
]

Pairs = tuple[tuple[str, str], ...]
"""Names with their values, a table of strings in TOML."""

MODES = ("internet", "open", "none")
"""Where containers may connect to: the internet only, everywhere, nowhere."""

TRANSPORTS = ("fabric", "openssh")
"""What may carry the connection to another host: Fabric, or the system's ssh."""

SCHEMA = 1
"""The version of the registry's shape that this code writes."""


def _key(default: Any, doc: str, *, env: str = "") -> Any:
    return field(default=default, metadata={"doc": doc, "env": env})


@dataclass(frozen=True)
class Person:
    """The user of the host, who is to be the same one in every container."""

    name: str
    uid: int
    gid: int
    group: str
    home: str
    shell: str


@dataclass(frozen=True)
class Mount:
    """A folder of the host and where a container has it; both absolute."""

    source: str = field(metadata={"doc": "The folder of the host; absolute, or begins with `~/`."})
    path: str = field(metadata={"doc": "Where the container has it, absolute."})


@dataclass(frozen=True)
class Defaults:
    """`[defaults]` of the registry: what holds where a project says nothing else."""

    local_repos: str = _key("~/repos", "Folder of the local working copies.", env="LOCAL_REPOS")
    nfs_repos: str = _key("/nfs/repos", "Folder on the backup share.", env="NFS_REPOS")
    incus_project: str = _key("repoman", "Incus project of the containers.", env="INCUS_PROJECT")
    default_image: str = _key(
        "images:ubuntu/26.04/cloud", "Image of a new container.", env="DEFAULT_IMAGE"
    )
    profiles: tuple[str, ...] = _key(
        ("default", "claude-share"), "Incus profiles of a new container."
    )
    image_remotes: tuple[str, ...] = _key(
        ("images", "local"), "Image servers of which a repo may ask for an image by itself."
    )
    shared: str = _key(
        "~/.claude", "Folder that every container shares, by the profile claude-share; or empty."
    )
    storage_pool: str = _key("", "Incus storage pool of the containers' own disks.")
    bridge: str = _key("repoman0", "Incus network of the containers, a managed bridge.")
    network: str = _key(
        "internet", "Where containers may connect to: `internet`, `open` (everywhere) or `none`."
    )
    allow: tuple[str, ...] = _key(
        (), "What they may connect to besides, as `192.168.1.20:5432` or `192.168.1.0/24`."
    )
    memory: str = _key("50%", "Most memory of one container: a part of the host's, or as `8GiB`.")
    cpus: int = _key(0, "Most processors of one container; 0 for all but one.")
    processes: int = _key(4096, "Most processes in one container.")
    disk: str = _key(
        "", "Most that one container's own disk takes, as `40GiB`; empty for half of the pool."
    )
    nesting: bool = _key(False, "Whether containers may hold containers, as Docker needs it.")
    jobs: int = _key(4, "Projects that are mirrored at the same time.")
    exclude: tuple[str, ...] = _key((), "rsync patterns that no mirror carries.")
    max_shrink: float = _key(0.5, "Part of a repo's files that may be gone since its last sync.")
    nfs_fstypes: tuple[str, ...] = _key(
        ("nfs", "nfs4"), "File system types that the backup share may have."
    )
    min_free_mib: int = _key(1024, "MiB that must be free on the share before a sync.")
    probe_seconds: int = _key(10, "Seconds that the share may take to answer.")
    stall_seconds: int = _key(600, "Seconds without any progress after which a sync is ended.")
    max_age_hours: int = _key(48, "Age in hours from which `status` calls a mirror old.")


@dataclass(frozen=True)
class Project:
    """One `[[project]]` of the registry."""

    name: str = _key("", "Name of the project and of its container.")
    repo: str = _key("", "Folder of the repo, relative to local_repos.")
    image: str = _key("", "Image of the container; default_image where it is not set.")
    profiles: tuple[str, ...] | None = _key(None, "Profiles of the container.")
    env: Pairs = _key((), "Environment of what runs in the container.")
    env_file: str = _key(
        "", "File of mode 0600 with variables for `shell` and `exec` alone, as NAME=value."
    )
    mounts: tuple[Mount, ...] = _key((), "Folders of the host that the container has too.")
    network: str = _key("", "Where it may connect to, if not as the estate's others.")
    allow: tuple[str, ...] = _key((), "What it may connect to besides.")
    address: str = _key("", "Its container's IPv4 address, where it has rules of its own.")
    address6: str = _key("", "Its IPv6 address then, where the bridge gives such.")
    asked_image: str = _key("", "What the repo's .repoman.toml asked for, when last applied.")
    asked_profiles: tuple[str, ...] | None = _key(None, "The same, of profiles.")
    asked_env: Pairs = _key((), "The same, of the environment.")
    asked_mounts: tuple[Mount, ...] = _key((), "The same, of folders of the host.")
    asked_exclude: tuple[str, ...] = _key((), "The same, of patterns that its mirror leaves out.")
    protect: bool = _key(
        True, "Whether what programs of the host would run is read-only in the container."
    )
    protected: tuple[str, ...] = _key((), "What is, relative to the repo.")
    created: str = _key("", "When the project was registered (UTC).")
    last_sync: str = _key("", "When its mirror was last complete (UTC).")
    last_files: int | None = _key(
        None, "Files that the last sync counted, loose git objects aside."
    )
    last_loose: int | None = _key(None, "Loose git objects that the last sync counted.")
    last_packs: str = _key("", "Fingerprint of the names of its git packs at the last sync.")
    last_tree: str = _key("", "Fingerprint of the repo's files at the last sync.")
    mirror: str = _key("", "Folder on the share that repoman made for its mirror.")
    backup: bool = _key(True, "Whether `sync` mirrors it.")
    container: bool = _key(True, "Whether it has a container.")
    exclude: tuple[str, ...] = _key((), "rsync patterns that its mirror does not carry.")
    max_delete: int | None = _key(None, "Most entries that one sync may delete from its mirror.")
    stopped_at: str = _key("", "When a sync stopped at max_delete; the next one needs --force.")


@dataclass(frozen=True)
class Requested:
    """What a repo's own .repoman.toml asks for. The repo may be hostile."""

    image: str = _key("", "Image of the container.")
    profiles: tuple[str, ...] | None = _key(None, "Profiles of the container.")
    env: Pairs = _key((), "Environment of what runs in the container.")
    mount: tuple[Mount, ...] = _key((), "Folders of the host that the container has too.")
    exclude: tuple[str, ...] = _key((), "rsync patterns that its mirror does not carry.")


@dataclass(frozen=True)
class Excludes:
    """The patterns of what the mirror of one repo leaves out."""

    own: tuple[str, ...] = ()
    """Those of the person."""
    requested: tuple[str, ...] = ()
    """Those of the repo's own .repoman.toml, which may be hostile."""

    def __bool__(self) -> bool:
        return bool(self.own or self.requested)


@dataclass(frozen=True)
class Estate:
    """`[estate]` of the registry: who this is, for the marker on the share."""

    id: str = _key("", "Identity that the backup share's marker carries.")
    schema: int = _key(0, "Version of this file's shape.")


@dataclass(frozen=True)
class Address:
    """`[hosts.NAME]` of the registry: how a host that one calls NAME is reached."""

    name: str = ""
    address: str = _key("", "What `ssh` would be given, `NAME` where it is not set.")
    user: str = _key("", "Who to be there.")
    port: int = _key(0, "Its port, 0 for what ssh_config says.")
    identity: str = _key("", "File of the key to log in with.")
    transport: str = _key("fabric", "What carries the connection: `fabric`, or `openssh`.")


@dataclass(frozen=True)
class Registry:
    """The whole registry, with the place that each default came from."""

    estate: Estate = Estate()
    defaults: Defaults = Defaults()
    projects: tuple[Project, ...] = ()
    origins: Mapping[str, str] = field(default_factory=dict)
    hosts: tuple[Address, ...] = ()

    @property
    def missing(self) -> bool:
        """Whether it says nothing of an estate, as where there is no file yet."""
        of_defaults = "registry" in self.origins.values()
        return self.estate == Estate() and not (self.projects or self.hosts or of_defaults)

    def project(self, name: str) -> Project | None:
        """The project of that name, or None."""
        return next((p for p in self.projects if p.name == name), None)

    def host(self, name: str) -> Address:
        """How the host called `name` is reached; by that name where the registry says nothing."""
        return next((host for host in self.hosts if host.name == name), Address(name))

    def excludes(self, project: Project) -> Excludes:
        """Patterns that hold for `project`: the estate's, then its own; and what its repo asks."""
        return Excludes(self.defaults.exclude + project.exclude, project.asked_exclude)


@dataclass(frozen=True)
class Tally:
    """What a walk over a repo counted.

    `loose` git objects are apart from `files`, because `git gc` turns thousands of them
    into one pack and nothing is lost by it; `packs` is a fingerprint of the packs' names.
    `tree` is one of all that was there, times and inodes included; it changes when anything
    is written.
    """

    files: int
    loose: int = 0
    packs: str = ""
    tree: str = ""


def keys(
    table: type[Address]
    | type[Defaults]
    | type[Project]
    | type[Estate]
    | type[Mount]
    | type[Requested],
) -> tuple[Field[Any], ...]:
    """The keys that `table` may have in the registry, or in a .repoman.toml."""
    return tuple(key for key in fields(table) if "doc" in key.metadata)


def env_name(key: Field[Any]) -> str:
    """The environment variable that stands in for a missing `[defaults]` key."""
    return key.metadata["env"] or f"REPOMAN_{key.name.upper()}"

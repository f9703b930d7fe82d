"""The values that the whole package works with. No I/O, no clock, no environment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import Field, field, fields
from typing import Any

from repoman_tasks.late_dataclass import dataclass

__all__ = [
    "GUARD",
    "MODES",
    "PROTECTIONS",
    "SCHEMA",
    "TRANSPORTS",
    "Address",
    "AgentEntry",
    "Alerts",
    "Defaults",
    "Estate",
    "Excludes",
    "Failure",
    "Mirrored",
    "Mount",
    "Pairs",
    "Person",
    "Project",
    "Registry",
    "Requested",
    "Tally",
    "Template",
    "Verified",
    "env_name",
    "keys",
]

Pairs = tuple[tuple[str, str], ...]
"""Names and values: a TOML table of strings."""

MODES = ("internet", "open", "none")
"""The networks that containers may connect to: only the internet, all, none."""

GUARD = "guard"
"""The value of `protect` that leaves git's configuration writable inside."""

PROTECTIONS: Mapping[str, bool | str] = {"true": True, "false": False, GUARD: GUARD}
"""The values of `protect` by their names on the command line."""

TRANSPORTS = ("fabric", "openssh")
"""The ways to connect to another host: Fabric, or the system's ssh."""

SCHEMA = 2
"""The schema version of the registry that this code writes."""


def _key(default: Any, doc: str, *, env: str | None = "") -> Any:
    return field(default=default, metadata={"doc": doc, "env": env})


@dataclass(frozen=True)
class Person:
    """The user of the host, who has the same name and ids in every container."""

    name: str
    uid: int
    gid: int
    group: str
    home: str
    shell: str


@dataclass(frozen=True)
class Mount:
    """A folder or file of the host and its path in a container."""

    source: str = field(
        metadata={"doc": "Folder or file of the host, absolute or starting with `~/`."}
    )
    path: str = field(metadata={"doc": "Absolute path inside the container."})
    readonly: bool = field(
        default=False, metadata={"doc": "True if the container may only read it."}
    )

    def __str__(self) -> str:
        return f"{self.source} at {self.path}" + (", read-only" if self.readonly else "")


@dataclass(frozen=True)
class Defaults:
    """`[defaults]` of the registry: the settings of projects that have none of their own."""

    local_repos: str = _key("~/repos", "Folder of the local working copies.", env="LOCAL_REPOS")
    nfs_repos: str = _key("/nfs/repos", "Folder on the backup share.", env="NFS_REPOS")
    incus_project: str = _key("repoman", "Incus project of the containers.", env="INCUS_PROJECT")
    default_image: str = _key(
        "images:ubuntu/26.04/cloud", "Image of a new container.", env="DEFAULT_IMAGE"
    )
    template: str = _key("", "Template of a new container; none if empty.")
    agents: tuple[str, ...] = _key(
        ("claude",),
        "Agents that the built-in template `agent` installs, as in `[templates.NAME]`. `repoman "
        "agent` runs the first one, unless the last session was of another.",
    )
    profiles: tuple[str, ...] = _key(
        ("default", "claude-share"), "Incus profiles of a new container."
    )
    image_remotes: tuple[str, ...] = _key(
        ("images", "local"),
        "Image servers from which a repo may request an image without approval.",
    )
    shared: str = _key("", "Without effect: earlier versions mounted this folder in containers.")
    shared_login: bool = _key(
        False, "Share one login of Claude Code with all containers that have claude-share."
    )
    env: Pairs = _key((), "Environment variables in all containers.", env=None)
    env_file: str = _key(
        "", "File of mode 0600 with variables as NAME=value, for `shell` and `exec` only."
    )
    mounts: tuple[Mount, ...] = _key(
        (), "Folders and files of the host to mount in all containers.", env=None
    )
    logins: tuple[str, ...] = _key(
        (), "Agents whose logins `shell` and `exec` pass into containers: see `repoman login`."
    )
    storage_pool: str = _key("", "Incus storage pool of the containers' own disks.")
    bridge: str = _key("repoman0", "Incus network of the containers, a managed bridge.")
    network: str = _key(
        "internet", "Where containers may connect to: `internet`, `open` (everywhere) or `none`."
    )
    allow: tuple[str, ...] = _key(
        (),
        "Further addresses that they may connect to, as `192.168.1.20:5432` or `192.168.1.0/24`.",
    )
    memory: str = _key(
        "50%", "Memory limit of a container: a percentage of the host's, or a size such as `8GiB`."
    )
    memory_total: str = _key(
        "",
        "Limit of the memory that running containers may take together, as for `memory`: no other "
        "is started beyond it. Empty for none.",
    )
    cpus: int = _key(0, "Processor limit of a container; 0 for all but one.")
    processes: int = _key(4096, "Process limit of a container.")
    disk: str = _key(
        "", "Size limit of a container's disk, such as `40GiB`; empty for half of the pool."
    )
    volume_size: str = _key(
        "10GiB", "Size limit of a project's volume, which outlives its container."
    )
    keep: tuple[str, ...] = _key((), "Folders of the home to keep on the volume of each project.")
    agent_files: tuple[str, ...] = _key(
        (), "Files and folders to copy into containers at each start, as `SOURCE` or `SOURCE:PATH`."
    )
    nesting: bool = _key(
        False, "Allow containers inside all containers, which Docker needs; see `[[project]]`."
    )
    jobs: int = _key(8, "Number of projects to mirror at the same time.")
    full_every: int = _key(
        7, "Days after which `sync` compares the mirror of an unchanged project, too; 0 for always."
    )
    verify_seconds: int = _key(
        0, "Time in seconds for `sync` to compare mirrors by content afterwards; 0 for not at all."
    )
    exclude: tuple[str, ...] = _key((), "rsync patterns to exclude from all mirrors.")
    max_shrink: float = _key(
        0.5,
        "Share of a repo's files, their contents or its commits that the syncs of fourteen days "
        "may take from its mirror; a sync refuses more.",
    )
    nfs_fstypes: tuple[str, ...] = _key(
        ("nfs", "nfs4"), "File system types that the backup share may have."
    )
    min_free_mib: int = _key(
        1024, "Free space in MiB below which a sync may not enlarge a mirror on the share."
    )
    max_size_gib: int = _key(
        200, "Size in GiB of a repo, holes counted, beyond which `sync` does not copy it."
    )
    max_entries: int = _key(
        2_000_000, "Number of entries beyond which `sync` does not copy a repo."
    )
    probe_seconds: int = _key(10, "Time limit in seconds for the share to answer.")
    stall_seconds: int = _key(
        600, "Time in seconds without progress after which a sync is stopped."
    )
    sync_seconds: int = _key(
        21_600, "Time in seconds that the sync of one project may take; 0 for any."
    )
    snapshots: str = _key(
        "",
        "Path of one snapshot of nfs_repos, with `{name}` in place of its name, if they lie where "
        "repoman does not look: `/nfs/.snapshots/{name}/snapshot/repos`.",
    )
    max_age_hours: int = _key(48, "Age in hours at which `status` reports a mirror as old.")


@dataclass(frozen=True)
class Project:
    """One `[[project]]` of the registry."""

    name: str = _key("", "Name of the project and of its container.")
    repo: str = _key("", "Folder of the repo, relative to local_repos.")
    image: str = _key("", "Image of the container; default_image if not set.")
    template: str = _key("", "Template of the container; none if not set.")
    profiles: tuple[str, ...] | None = _key(None, "Profiles of the container.")
    env: Pairs = _key((), "Environment variables in the container.")
    env_file: str = _key(
        "", "File of mode 0600 with variables as NAME=value, for `shell` and `exec` only."
    )
    logins: tuple[str, ...] | None = _key(
        None, "Agents whose logins `shell` and `exec` pass in, if not as in `[defaults]`."
    )
    mounts: tuple[Mount, ...] = _key((), "Folders and files of the host to mount in it.")
    keep: tuple[str, ...] = _key((), "Further folders of the home to keep on its volume.")
    agent_files: tuple[str, ...] = _key((), "Further files and folders to copy at each start.")
    network: str = _key("", "Where it may connect to, if not as in `[defaults]`.")
    allow: tuple[str, ...] = _key((), "Further addresses that it may connect to.")
    address: str = _key("", "IPv4 address of the container, if it has network rules of its own.")
    address6: str = _key("", "IPv6 address of the container, if the bridge has IPv6.")
    nesting: bool = _key(False, "Allow containers inside this container, which Docker needs.")
    requested_image: str = _key(
        "", "Image that the repo's .repoman.toml requested when it was last applied."
    )
    requested_profiles: tuple[str, ...] | None = _key(None, "Profiles that it requested then.")
    requested_env: Pairs = _key((), "Environment variables that it requested then.")
    requested_mounts: tuple[Mount, ...] = _key((), "Folders and files that it requested then.")
    requested_exclude: tuple[str, ...] = _key((), "Patterns to exclude that it requested then.")
    requested_packages: tuple[str, ...] = _key((), "Packages that it requested then.")
    requested_run: tuple[str, ...] = _key((), "Commands of root that it requested then.")
    requested_run_user: tuple[str, ...] = _key((), "Commands of the user that it requested then.")
    protect: bool | str = _key(
        True,
        "Mount files that programs of the host would run read-only in the container; `guard` for"
        " all but git's configuration, which the guard for git judges.",
    )
    protected: tuple[str, ...] = _key((), "The files so mounted, relative to the repo.")
    created: str = _key("", "When the project was registered (UTC).")
    last_sync: str = _key("", "When a sync last completed (UTC).")
    mirror: str = _key("", "Folder on the share that repoman created for its mirror.")
    backup: bool = _key(True, "Mirror it by `sync`.")
    container: bool = _key(True, "It has a container.")
    exclude: tuple[str, ...] = _key((), "rsync patterns to exclude from its mirror.")
    renaming: str = _key("", "New name of the project, until `rename` has completed.")
    renaming_repo: str = _key("", "New folder of its repo until then, if that is renamed, too.")
    max_delete: int | None = _key(
        None, "Limit of entries that one sync may delete from its mirror."
    )
    max_size_gib: int | None = _key(None, "Size limit of the repo, if not as in `[defaults]`.")
    max_entries: int | None = _key(None, "Limit of its entries, if not as in `[defaults]`.")
    stopped_at: str = _key(
        "", "When a sync stopped at its limit of deletions; the next one needs --force."
    )


@dataclass(frozen=True)
class Template:
    """`[templates.NAME]` of the registry: what a container has from the start."""

    name: str = ""
    extends: str = _key("", "Template that comes first: its lists stand before those here.")
    image: str = _key(
        "", "Image to begin with, whatever the project's is; that of the project if not set."
    )
    files: tuple[str, ...] = _key(
        (),
        "Files and folders to copy, as `SOURCE:PATH`; SOURCE is in the folder `templates` beside "
        "the registry.",
    )
    packages: tuple[str, ...] = _key((), "Packages to install, by the image's package manager.")
    run: tuple[str, ...] = _key((), "Commands to run as root after that, each a line of sh.")
    agents: tuple[str, ...] = _key(
        (), "Agents to install for all users, as `NAME` or, for one version, `NAME@VERSION`."
    )
    run_user: tuple[str, ...] = _key((), "Commands to run as the user, in the home, at last.")


@dataclass(frozen=True)
class Requested:
    """The requests of a repo's .repoman.toml. The repo may be hostile."""

    image: str = _key("", "Image of the container.")
    profiles: tuple[str, ...] | None = _key(None, "Profiles of the container.")
    env: Pairs = _key((), "Environment variables in the container.")
    mount: tuple[Mount, ...] = _key((), "Folders and files of the host to mount in the container.")
    exclude: tuple[str, ...] = _key((), "rsync patterns to exclude from its mirror.")
    packages: tuple[str, ...] = _key((), "Packages to install on top of the project's template.")
    run: tuple[str, ...] = _key((), "Commands to run as root after that, each a line of sh.")
    run_user: tuple[str, ...] = _key((), "Commands to run as the user at last.")


@dataclass(frozen=True)
class Excludes:
    """The patterns to exclude from one mirror."""

    own: tuple[str, ...] = ()
    """From the registry."""
    requested: tuple[str, ...] = ()
    """From the repo's .repoman.toml, which may be hostile."""

    def __bool__(self) -> bool:
        return bool(self.own or self.requested)


@dataclass(frozen=True)
class Estate:
    """`[estate]` of the registry: the identity that the marker on the share has, too."""

    id: str = _key("", "Identity; the marker on the backup share has the same.")
    schema: int = _key(0, "Schema version of this file.")


@dataclass(frozen=True, repr=False)
class Alerts:
    """`[alerts]` of the registry: who is told how a sync went, or what agents do. The values are
    secrets."""

    healthchecks: str = _key(
        "", "URL that each sync of all projects pings, with `/start` and `/fail`: healthchecks.io."
    )
    ntfy: str = _key("", "URL of a topic that hears if a project fails, or no longer: ntfy.sh.")
    command: tuple[str, ...] = _key(
        (),
        "Program with its arguments that then gets the JSON of `sync --json` on its input, or that "
        "of `agent list --json`.",
    )

    def __bool__(self) -> bool:
        return bool(self.healthchecks or self.ntfy or self.command)


@dataclass(frozen=True)
class Address:
    """`[hosts.NAME]` of the registry: how to connect to the host called NAME."""

    name: str = ""
    address: str = _key("", "Host name or alias for ssh; NAME if not set.")
    user: str = _key("", "User to log in as.")
    port: int = _key(0, "Port; 0 for the one of ssh_config.")
    identity: str = _key("", "File of the private key.")
    transport: str = _key("fabric", "Way to connect: `fabric` or `openssh`.")


@dataclass(frozen=True)
class AgentEntry:
    """`[agents.NAME]` of the registry: how the agent called NAME is run in a container."""

    name: str = ""
    command: tuple[str, ...] = _key(
        (), "Program that starts it, with its arguments and the one that gives full permissions."
    )
    resume: tuple[str, ...] = _key((), "The same for its last conversation, if it can resume one.")
    hooks: tuple[str, ...] = _key((), "Arguments added to both, by which it tells its state.")
    variables: Pairs = _key(
        (), "Variables that make it keep its state on the volume, each with a folder there."
    )


@dataclass(frozen=True)
class Tally:
    """The counts of a walk over a repo.

    `files` leaves out `loose` git objects: `git gc` packs thousands of them into one file
    without loss. `packs` is a fingerprint of the packs' names, `tree` one of all entries with
    times and inodes, which changes with any write. `newest` is the newest ctime of an entry, in
    nanoseconds: what changes after the walk gets a newer one.
    """

    files: int
    loose: int = 0
    packs: str = ""
    tree: str = ""
    newest: int = 0
    bytes: int = 0
    """Those of all files, holes counted."""
    left_out: int = 0
    """Those of files that exclude patterns leave out, which are not counted otherwise."""


@dataclass(frozen=True)
class Mirrored:
    """State of a mirror after a complete sync. It is kept apart from the registry, and holds only
    while the registry has this `last_sync` for the project, or the one `before`."""

    last_sync: str
    tally: Tally
    before: str = ""
    """The last sync before, if nothing had to be written since: a registry that could not be
    written afterwards still names it."""
    digest: str = ""
    """Digest of the repo (`hosts.digests`) before that sync, which the mirror equals but for
    `written`; empty if it may not."""
    rules: str = ""
    """Hash of the rules and options of rsync then."""
    root: str = ""
    """Identity of the mirror's folder, which changes with it."""
    compared: str = ""
    """When the mirror was last compared in full (UTC)."""
    written: tuple[str, ...] = ()
    """Paths in the repo that changed during that sync, undecodable bytes as surrogates."""
    mounts: tuple[str, ...] = ()
    """Mount points in the repo, relative to it, "." for the repo itself."""
    warnings: tuple[str, ...] = ()
    """Those of the last sync, which are true as long as the repo is the same."""
    size_since: str = ""
    """When the mirror got the size that it still has (UTC)."""
    left_out_then: int = 0
    """`left_out` of the tally of that time."""


@dataclass(frozen=True)
class Failure:
    """The last attempt to mirror a project, which failed; one that succeeds removes it."""

    time: str
    """When it ended (UTC)."""
    code: int
    """Exit code of the project."""
    what: str
    cure: str = ""
    times: int = 1
    """Number of attempts since the last one that succeeded."""

    @property
    def error(self) -> str:
        """The error, with its cure."""
        return f"{self.what}: {self.cure}" if self.cure else self.what


@dataclass(frozen=True)
class Altered:
    """Changes of a mirror by something else, which a full comparison found and repaired; kept until
    a person has seen them."""

    time: str
    """When it was found last (UTC)."""
    count: int
    """Number of entries."""
    entries: tuple[str, ...] = ()
    """Some of them, each with how it differed."""
    folders: tuple[str, ...] = ()
    """Folders on the share that hold what was replaced."""
    created: str = ""
    """When the project was registered: a later one of its name has another mirror."""


@dataclass(frozen=True)
class Verified:
    """The proof of a mirror by `verify`, in rounds: a round compares all of its files."""

    last_verified: str = ""
    """When the last round ended (UTC)."""
    proven: int = 0
    """Percentage of the mirror that the present round has compared."""
    after: str = ""
    """Path in the repo after which the next sample begins."""
    damaged: tuple[str, ...] = ()
    """Paths in the repo that were found damaged, and not well since."""
    created: str = ""
    """When the project was registered: a later one of its name has another mirror."""


@dataclass(frozen=True)
class Registry:
    """The registry; `origins` has the source of each default."""

    estate: Estate = Estate()
    defaults: Defaults = Defaults()
    projects: tuple[Project, ...] = ()
    origins: Mapping[str, str] = field(default_factory=dict)
    hosts: tuple[Address, ...] = ()
    counted: Mapping[str, Mirrored] = field(default_factory=dict)
    """Counts of the last syncs in a file of schema 1 or older, by project; now they are state."""
    alerts: Alerts = Alerts()
    templates: tuple[Template, ...] = ()
    agents: tuple[AgentEntry, ...] = ()
    """Those of `[agents]`, in addition to the built-in ones or in place of their commands."""

    @property
    def missing(self) -> bool:
        """Return True if nothing is set up: there is no file, or an empty one."""
        of_defaults = "registry" in self.origins.values()
        return self.estate == Estate() and not (self.projects or self.hosts or of_defaults)

    def project(self, name: str) -> Project | None:
        """Return the project called `name`, or None; one that is being renamed has both names."""
        return next((p for p in self.projects if name in (p.name, p.renaming or p.name)), None)

    @property
    def repos(self) -> tuple[str, ...]:
        """The folders of all repos; one that is being renamed has both."""
        return tuple(repo for p in self.projects for repo in (p.repo, p.renaming_repo) if repo)

    @property
    def all_mounts(self) -> tuple[Mount, ...]:
        """Return the mounts of all containers."""
        own = (m for p in self.projects for m in (*p.mounts, *p.requested_mounts))
        return (*self.defaults.mounts, *own)

    def host(self, name: str) -> Address:
        """Return the address of the host called `name`, a plain one if the registry has none."""
        return next((host for host in self.hosts if host.name == name), Address(name))

    def excludes(self, project: Project) -> Excludes:
        """Return the patterns for `project`: from the registry and from its repo."""
        return Excludes(self.defaults.exclude + project.exclude, project.requested_exclude)


def keys(
    table: type[Address]
    | type[AgentEntry]
    | type[Alerts]
    | type[Defaults]
    | type[Project]
    | type[Estate]
    | type[Mount]
    | type[Requested]
    | type[Template],
) -> tuple[Field[Any], ...]:
    """Return the keys that `table` may have in the registry, or in a .repoman.toml."""
    return tuple(key for key in fields(table) if "doc" in key.metadata)


def env_name(key: Field[Any]) -> str:
    """Return the environment variable that sets a `[defaults]` key missing in the registry.

    It is empty for a key whose value is a table.
    """
    if key.metadata["env"] is None:
        return ""
    return key.metadata["env"] or f"REPOMAN_{key.name.upper()}"

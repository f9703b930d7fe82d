"""Paths of a host that are never mounted into a container; resolution of symlinks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from itertools import islice

from repoman_tasks.errors import Failed, Refused
from repoman_tasks.hosts.base import Future, Host, Result
from repoman_tasks.planning.container.agents import AGENTS, PRIVATE
from repoman_tasks.planning.container.spec import PROTECTED_DEVICE, REPO_DEVICE
from repoman_tasks.planning.findings import EstateFacts
from repoman_tasks.planning.guard_files import guard_path
from repoman_tasks.planning.names import absolute, inside
from repoman_tasks.planning.trust.approval_rules import ForbiddenPaths, forbidden_reason
from repoman_tasks.registry.names_file import state_folder

__all__ = [
    "NEVER_MOUNTED",
    "NEVER_MOUNTED_OF_HOME",
    "check_devices",
    "check_folders",
    "check_source",
    "path_batches",
    "real_paths",
    "submit_forbidden_paths",
    "submit_real_paths",
]

NEVER_MOUNTED = (
    *("/proc", "/sys", "/dev", "/etc", "/boot", "/run", "/var/run", "/root", "/usr", "/bin"),
    *("/sbin", "/lib", "/var/lib/incus", "/var/lib/docker", "/var/lib/containers", "/var/spool"),
)
"""The sockets of Incus, of Docker and of the user's own session lie in /run."""
NEVER_MOUNTED_OF_HOME = (
    *(".ssh", ".gnupg", ".config/incus", ".local/share/keyrings", ".local/share/repoman"),
    *(".docker", ".kube", ".aws"),
)


_MOST_BYTES = 256 << 10
"""Limit of the paths in one argument list. The kernel has one too, of 2 MiB or less."""


def path_batches(paths: Iterable[str]) -> list[list[str]]:
    """Divide `paths`, in order, so that a program can be given each batch as its arguments."""
    batches: list[list[str]] = []
    size = _MOST_BYTES
    for path in paths:
        length = len(path.encode(errors="surrogateescape"))
        if size + length > _MOST_BYTES:
            batches.append([])
            size = 0
        batches[-1].append(path)
        size += length
    return batches


def submit_real_paths(host: Host, paths: Sequence[str]) -> Future[list[str]]:
    """Ask for each of the absolute `paths` with symlinks resolved, as far as it exists."""
    answers = [
        host.submit(["realpath", "-z", "-m", "--", *batch]).then(partial(_parse_real, len(batch)))
        for batch in path_batches(paths)
    ]
    return Future(lambda: [path for answer in answers for path in answer.result()])


def _parse_real(count: int, result: Result) -> list[str]:
    real = result.text.split("\0")[:-1]
    if result.code or len(real) != count:
        raise Failed("paths can't be resolved", result.complaint)
    return real


def real_paths(host: Host, paths: Sequence[str]) -> list[str]:
    """Return each of the absolute `paths` with symlinks resolved; see `submit_real_paths`."""
    return submit_real_paths(host, paths).result()


def submit_forbidden_paths(
    host: Host, facts: EstateFacts, registry_folder: str
) -> Future[ForbiddenPaths]:
    """Ask for the real paths of all that is never mounted, and of all that containers can write."""
    never, written = _forbidden_paths(host, facts, registry_folder)
    agents = [f"{facts.home}/{path}" for agent in AGENTS for path in agent.host]
    private = [f"{facts.home}/{path}" for path in PRIVATE]
    lists = ([host.home], never, written, agents, private)

    def divide(real: list[str]) -> ForbiddenPaths:
        rest = iter(real)
        home, *others = (tuple(islice(rest, len(paths))) for paths in lists)
        never, written, agents, private = others
        return ForbiddenPaths(never, home[0], written, agents, private)

    return submit_real_paths(host, [path for paths in lists for path in paths]).then(divide)


def _forbidden_paths(
    host: Host, facts: EstateFacts, registry_folder: str
) -> tuple[list[str], list[str]]:
    """Return the paths that are never mounted, and those that containers write; both unresolved."""
    defaults, home = facts.registry.defaults, facts.home
    never = [*NEVER_MOUNTED, *(f"{home}/{name}" for name in NEVER_MOUNTED_OF_HOME), registry_folder]
    never += [state_folder(host), absolute(defaults.nfs_repos, home)]
    never.append(guard_path(host.environ, home).rpartition("/")[0])
    never += _environment_paths(host.environ)
    written = [f"{facts.local_repos}/{project.repo}" for project in facts.registry.projects]
    written += [absolute(m.source, home) for m in facts.registry.all_mounts if not m.readonly]
    return never, written


def _environment_paths(environ: Mapping[str, str]) -> list[str]:
    """Return the folders of Incus, of the session and of its sockets that `environ` names."""
    folders = [environ.get(key, "") for key in ("INCUS_DIR", "INCUS_CONF", "XDG_RUNTIME_DIR")]
    sockets = (environ.get(key, "") for key in ("INCUS_SOCKET", "SSH_AUTH_SOCK"))
    parents = (socket.rpartition("/")[0] for socket in sockets)
    folders += [parent for parent in parents if parent != "/tmp"]
    return [folder for folder in folders if folder.startswith("/")]


def check_source(forbidden: ForbiddenPaths, source: str, real: str) -> None:
    """Raise Refused if `source`, whose real path is `real`, is never mounted."""
    reason = forbidden_reason(real, forbidden)
    if reason:
        path = source if source == real else f"{source} (that is {real})"
        raise Refused(f"{path} can't be mounted: {reason}", "remove that mount")


def check_folders(
    host: Host, forbidden: ForbiddenPaths, sources: Sequence[str], folders: Sequence[str]
) -> None:
    """Raise Refused if one of `sources` is a file in a folder that is never mounted.

    `folders` has the folder that Incus has to allow for each of them.
    """
    files = [
        (file, folder) for file, folder in zip(sources, folders, strict=True) if file != folder
    ]
    real = real_paths(host, [folder for _, folder in files])
    for (file, _), folder in zip(files, real, strict=True):
        if reason := forbidden_reason(folder, forbidden):
            what = f"{file} can't be mounted: Incus allows only its whole folder, and {reason}"
            raise Refused(what, "move it to a folder of its own")


def check_devices(
    host: Host, forbidden: ForbiddenPaths, devices: Mapping[str, Mapping[str, str]]
) -> None:
    """Raise Refused if a disk device of a container mounts what is never mounted.

    Every device that repoman adds to a container is checked here.
    """
    sources = [
        device["source"]
        for name, device in devices.items()
        if device.get("type") == "disk"
        and device.get("source")
        and not device.get("pool")  # else the source is a volume
        and not _is_protection(name, device, devices)
    ]
    for source, real in zip(sources, real_paths(host, sources), strict=True):
        check_source(forbidden, source, real)


def _is_protection(
    name: str, device: Mapping[str, str], devices: Mapping[str, Mapping[str, str]]
) -> bool:
    """Return True if the device mounts a part of the repo read-only on top of itself."""
    repo = devices.get(REPO_DEVICE, {}).get("source", "")
    return (
        name.startswith(PROTECTED_DEVICE)
        and device["source"] == device.get("path")
        and inside(device["source"], repo)
        and device.get("readonly") == "true"
    )

"""Which places of a host no container may have, and where paths really lead."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from repoman_tasks.errors import Failed, Refused
from repoman_tasks.hosts.base import Future, Host, Result
from repoman_tasks.planning.container.spec import PROTECTED_DEVICE, REPO_DEVICE
from repoman_tasks.planning.findings import EstateFacts
from repoman_tasks.planning.names import absolute, inside
from repoman_tasks.planning.trust.approval_rules import ForbiddenPaths, forbidden_reason
from repoman_tasks.registry.names_file import state_folder

__all__ = [
    "check_devices",
    "check_source",
    "real_paths",
    "submit_forbidden_paths",
    "submit_real_paths",
]

_SYSTEM = (
    *("/proc", "/sys", "/dev", "/etc", "/boot", "/run", "/var/run", "/root", "/usr", "/bin"),
    *("/sbin", "/lib", "/var/lib/incus", "/var/lib/docker", "/var/lib/containers", "/var/spool"),
)
"""The sockets of Incus, of Docker and of the user's own session lie in /run."""
_OF_HOME = (".ssh", ".gnupg", ".config/incus", ".local/share/keyrings", ".docker", ".kube", ".aws")


def submit_real_paths(host: Host, paths: Sequence[str]) -> Future[list[str]]:
    """Ask for each of the absolute `paths` with its symlinks resolved, as far as it is there."""
    if not paths:
        return Future(list)

    def found(result: Result) -> list[str]:
        real = result.out.decode(errors="surrogateescape").split("\0")[:-1]
        if result.code or len(real) != len(paths):
            raise Failed("paths can't be resolved", result.complaint)
        return real

    return host.submit(["realpath", "-z", "-m", "--", *paths]).then(found)


def real_paths(host: Host, paths: Sequence[str]) -> list[str]:
    """Return what `submit_real_paths` asks for."""
    return submit_real_paths(host, paths).result()


def submit_forbidden_paths(
    host: Host, facts: EstateFacts, registry_folder: str
) -> Future[ForbiddenPaths]:
    """Ask where the places of `host` that no container may have really are."""
    never, written = _forbidden_paths(host, facts, registry_folder)

    def found(real: list[str]) -> ForbiddenPaths:
        beyond = len(never) + 1
        return ForbiddenPaths(tuple(real[1:beyond]), real[0], tuple(real[beyond:]))

    return submit_real_paths(host, [host.home, *never, *written]).then(found)


def _forbidden_paths(
    host: Host, facts: EstateFacts, registry_folder: str
) -> tuple[list[str], list[str]]:
    """What no container may have, and what containers write, by the paths that are known."""
    defaults, home = facts.registry.defaults, facts.home
    never = [*_SYSTEM, *(f"{home}/{name}" for name in _OF_HOME), registry_folder]
    never += [state_folder(host), absolute(defaults.nfs_repos, home)]
    environ = host.environ
    given = (environ.get(key, "") for key in ("INCUS_DIR", "INCUS_CONF", "XDG_RUNTIME_DIR"))
    never += [path for path in given if path.startswith("/")]
    for key in ("INCUS_SOCKET", "SSH_AUTH_SOCK"):
        folder = environ.get(key, "").rpartition("/")[0]
        never += [folder] if folder.startswith("/") and folder != "/tmp" else []
    written = [f"{facts.local_repos}/{project.repo}" for project in facts.registry.projects]
    written += [
        absolute(mount.source, home)
        for project in facts.registry.projects
        for mount in (*project.mounts, *project.asked_mounts)
    ]
    written += [absolute(defaults.shared, home)] if defaults.shared else []
    return never, written


def check_source(forbidden: ForbiddenPaths, source: str, real: str) -> None:
    """`Refused` where `source`, whose real path is `real`, is a place that is never mounted."""
    why = forbidden_reason(real, forbidden)
    if why:
        named = source if source == real else f"{source}, which is {real},"
        raise Refused(f"{named} is not mounted: {why}", "leave that mount out")


def check_devices(
    host: Host, forbidden: ForbiddenPaths, devices: Mapping[str, Mapping[str, str]]
) -> None:
    """The same for the disk devices of a container. This is where each of them passes."""
    sources = [
        device["source"]
        for name, device in devices.items()
        if device.get("type") == "disk"
        and device.get("source")
        and not _is_protection(name, device, devices)
    ]
    for source, real in zip(sources, real_paths(host, sources), strict=True):
        check_source(forbidden, source, real)


def _is_protection(
    name: str, device: Mapping[str, str], devices: Mapping[str, Mapping[str, str]]
) -> bool:
    """Whether it puts a part of the repo on top of itself, read-only."""
    repo = devices.get(REPO_DEVICE, {}).get("source", "")
    return (
        name.startswith(PROTECTED_DEVICE)
        and device["source"] == device.get("path")
        and inside(device["source"], repo)
        and device.get("readonly") == "true"
    )

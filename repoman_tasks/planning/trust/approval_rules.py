"""Rules on what a repo may request for its container, and what a person must approve. Pure.

Programs in a container can write the whole repo, including `.repoman.toml`. So a request that
reaches out of the container is granted only if a person has approved exactly it: this content of
the file, in the repo at this path, with mounts that resolve to these folders.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from repoman_tasks.late_dataclass import dataclass
from repoman_tasks.model import Defaults, Mount, Project, Requested
from repoman_tasks.planning.names import inside

__all__ = [
    "Approval",
    "ForbiddenPaths",
    "Request",
    "all_requests",
    "approval_changes",
    "approval_of",
    "copy_reason",
    "covers",
    "forbidden_reason",
    "has_privileged_requests",
    "privileged_requests",
    "unprivileged_requests",
]

_LOCAL_REMOTE = "local"
"""Remote of the images that are stored on this host."""


@dataclass(frozen=True)
class Request:
    """Content of a repo's .repoman.toml, as it was read once."""

    repo: str
    """Real path of the repo."""
    digest: str
    """Digest of the file's content."""
    requested: Requested
    sources: tuple[str, ...] = ()
    """Real paths of the mounts' sources, in the order of `requested.mount`."""


@dataclass(frozen=True)
class Approval:
    """A person's approval of one request."""

    repo: str
    digest: str
    mounts: tuple[Mount, ...]
    """Mounts with the real paths of their sources."""
    lines: tuple[str, ...]
    """The approved privileges, as phrases."""


@dataclass(frozen=True)
class ForbiddenPaths:
    """Real paths of the host that must not be mounted into containers."""

    never: tuple[str, ...]
    """Paths that are forbidden with everything inside them and every folder above them."""
    home: str
    """The person's home: folders inside it are allowed, but not it or a folder above it."""
    written: tuple[str, ...] = ()
    """Folders that containers write to: a path inside one could become a link at any time."""
    agents: tuple[str, ...] = ()
    """Files and folders of agents of the host. They can be copied, but not mounted."""
    private: tuple[str, ...] = ()
    """Logins and transcripts of these agents, which are not copied either."""


# --- privileged requests --------------------------------------------------------------------


def privileged_requests(request: Request, defaults: Defaults) -> tuple[str, ...]:
    """Return the requests that reach out of the container, as phrases."""
    requested = request.requested
    phrases = [
        f"mount {Mount(source, mount.path, mount.readonly)}"
        for source, mount in zip(request.sources, requested.mount, strict=True)
    ]
    phrases += [
        f"profile {name}" for name in requested.profiles or () if name not in defaults.profiles
    ]
    if _is_unlimited(requested.profiles):
        phrases.append("no profile default, which limits the container")
    if not _is_allowed(requested.image, defaults):
        phrases.append(f"image {requested.image}, whose server is not in image_remotes")
    return tuple(phrases)


def has_privileged_requests(project: Project, defaults: Defaults) -> bool:
    """Return True if requests recorded for the project reach out of its container."""
    profiles = project.requested_profiles
    return (
        bool(project.requested_mounts)
        or any(name not in defaults.profiles for name in profiles or ())
        or _is_unlimited(profiles)
        or not _is_allowed(project.requested_image, defaults)
    )


def _is_unlimited(profiles: Sequence[str] | None) -> bool:
    return profiles is not None and "default" not in profiles


def _is_allowed(image: str, defaults: Defaults) -> bool:
    remote, colon, _ = image.partition(":")
    return not image or (remote if colon else _LOCAL_REMOTE) in defaults.image_remotes


def all_requests(request: Request) -> Requested:
    """Return everything the repo requests, its mounts with the real paths of their sources."""
    return replace(request.requested, mount=_mounts(request))


def unprivileged_requests(request: Request, defaults: Defaults) -> Requested:
    """Return the requests that need no approval, because they stay inside the container."""
    requested = request.requested
    profiles = requested.profiles
    privileged = any(name not in defaults.profiles for name in profiles or ())
    return Requested(
        image=requested.image if _is_allowed(requested.image, defaults) else "",
        profiles=None if privileged or _is_unlimited(profiles) else profiles,
        env=requested.env,
        exclude=requested.exclude,
        packages=requested.packages,
        run=requested.run,
        run_user=requested.run_user,
    )


def _mounts(request: Request) -> tuple[Mount, ...]:
    pairs = zip(request.sources, request.requested.mount, strict=True)
    return tuple(Mount(source, mount.path, mount.readonly) for source, mount in pairs)


# --- approval -------------------------------------------------------------------------------


def approval_of(request: Request, defaults: Defaults) -> Approval:
    """Return the approval of everything in `request`."""
    return Approval(
        request.repo, request.digest, _mounts(request), privileged_requests(request, defaults)
    )


def covers(approval: Approval | None, request: Request) -> bool:
    """Return True if `approval` is of exactly this request."""
    return approval is not None and (
        (approval.repo, approval.digest, approval.mounts)
        == (request.repo, request.digest, _mounts(request))
    )


def approval_changes(approval: Approval | None, request: Request, defaults: Defaults) -> list[str]:
    """Return the privileged requests as a diff to the earlier approval.

    Lines start with "+ " if new, "- " if gone, and two blanks if unchanged.
    """
    before = approval.lines if approval else ()
    after = privileged_requests(request, defaults)
    removed = [f"- {line}" for line in before if line not in after]
    return removed + [f"{' ' if line in before else '+'} {line}" for line in after]


# --- forbidden mounts -----------------------------------------------------------------------


def forbidden_reason(real: str, forbidden: ForbiddenPaths) -> str:
    """Return why the real path `real` must not be mounted, or an empty string if it may be."""
    if reason := _never_reason(real, (*forbidden.never, *forbidden.agents), forbidden.home):
        return reason
    for folder in forbidden.written:
        if real != folder and inside(real, folder):
            return f"a container could replace it with a link, because it is inside {folder}"
    return ""


def _never_reason(real: str, never: Iterable[str], home: str) -> str:
    for path in never:
        if inside(real, path) or inside(path, real):
            return f"containers may not have {path}"
    return "containers may not have a whole home directory" if inside(home, real) else ""


def copy_reason(real: str, forbidden: ForbiddenPaths) -> str:
    """Return why the real path `real` must not be copied into a container, or an empty string."""
    if reason := _never_reason(real, (*forbidden.never, *forbidden.private), forbidden.home):
        return reason
    for folder in forbidden.written:
        if inside(real, folder):
            return f"a container can write {folder}, and could replace it with a link"
    return ""

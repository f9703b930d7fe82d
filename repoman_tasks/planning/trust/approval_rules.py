"""What a repo may ask of its container by itself, and what a person has to approve. Pure.

What runs in a container can write all of its repo, `.repoman.toml` included. So what reaches
out of the container counts only as long as a person approved just that: these bytes, in a file
of the repo at this path, with mounts that lead to these folders.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from repoman_tasks.model import Defaults, Mount, Project, Requested
from repoman_tasks.planning.names import inside

__all__ = [
    "Approval",
    "ForbiddenPaths",
    "Request",
    "all_requests",
    "approval",
    "covers",
    "difference",
    "fault",
    "has_privileged_requests",
    "privileged_requests",
    "unprivileged_requests",
]

_HERE = "local"
"""The remote of an image that is on the host already."""


@dataclass(frozen=True)
class Request:
    """What a repo's file asks for, as it was read once."""

    repo: str
    """Real path of the repo."""
    digest: str
    """Of the file's bytes."""
    requested: Requested
    sources: tuple[str, ...] = ()
    """The real path of each mount's source, in the order of the wish."""


@dataclass(frozen=True)
class Approval:
    """What a person approved of a repo's file."""

    repo: str
    digest: str
    mounts: tuple[Mount, ...]
    """With real sources."""
    lines: tuple[str, ...]
    """What was approved, in words."""


@dataclass(frozen=True)
class ForbiddenPaths:
    """Real paths of the host that no container may have."""

    never: tuple[str, ...]
    """Neither they, nor what is in them, nor what holds them."""
    home: str
    """The person's home: what is in it may be mounted, but not all of it."""
    written: tuple[str, ...] = ()
    """Folders that containers write: what is in one of them could become a link any time."""


# --- what reaches out -----------------------------------------------------------------------


def privileged_requests(request: Request, defaults: Defaults) -> tuple[str, ...]:
    """In words, what of a repo's wishes reaches out of its container."""
    requested = request.requested
    found = [
        f"mount {source} at {mount.path}"
        for source, mount in zip(request.sources, requested.mount, strict=True)
    ]
    found += [
        f"profile {name}" for name in requested.profiles or () if name not in defaults.profiles
    ]
    if _is_unlimited(requested.profiles):
        found.append("no profile default, which limits the container")
    if not _is_allowed(requested.image, defaults):
        found.append(f"image {requested.image}, of a server that is not in image_remotes")
    return tuple(found)


def has_privileged_requests(project: Project, defaults: Defaults) -> bool:
    """Whether what was noted of the wishes of the project's repo reaches out."""
    profiles = project.asked_profiles
    return (
        bool(project.asked_mounts)
        or any(name not in defaults.profiles for name in profiles or ())
        or _is_unlimited(profiles)
        or not _is_allowed(project.asked_image, defaults)
    )


def _is_unlimited(profiles: Sequence[str] | None) -> bool:
    return profiles is not None and "default" not in profiles


def _is_allowed(image: str, defaults: Defaults) -> bool:
    remote, colon, _ = image.partition(":")
    return not image or (remote if colon else _HERE) in defaults.image_remotes


def all_requests(request: Request) -> Requested:
    """All that the repo asks for, its mounts by the folders that they really are."""
    return replace(request.requested, mount=_mounts(request))


def unprivileged_requests(request: Request, defaults: Defaults) -> Requested:
    """What of it reaches nothing outside of the container."""
    requested = request.requested
    own = requested.profiles
    strange = _is_unlimited(own) or any(name not in defaults.profiles for name in own or ())
    return Requested(
        image=requested.image if _is_allowed(requested.image, defaults) else "",
        profiles=None if strange else own,
        env=requested.env,
        exclude=requested.exclude,
    )


def _mounts(request: Request) -> tuple[Mount, ...]:
    pairs = zip(request.sources, request.requested.mount, strict=True)
    return tuple(Mount(source, mount.path) for source, mount in pairs)


# --- approval -------------------------------------------------------------------------------


def approval(request: Request, defaults: Defaults) -> Approval:
    """The approval of what is asked for."""
    return Approval(
        request.repo, request.digest, _mounts(request), privileged_requests(request, defaults)
    )


def covers(approved: Approval | None, request: Request) -> bool:
    """Whether just that was approved."""
    return approved is not None and (
        (approved.repo, approved.digest, approved.mounts)
        == (request.repo, request.digest, _mounts(request))
    )


def difference(approved: Approval | None, request: Request, defaults: Defaults) -> list[str]:
    """What is asked for, against what was approved before: "+ …", "- …", and "  …" for the same."""
    before = approved.lines if approved else ()
    now = privileged_requests(request, defaults)
    gone = [f"- {line}" for line in before if line not in now]
    return gone + [f"{' ' if line in before else '+'} {line}" for line in now]


# --- what is never mounted ------------------------------------------------------------------


def fault(real: str, forbidden: ForbiddenPaths) -> str:
    """Why the folder at the real path `real` is never mounted; empty where it may be."""
    for never in forbidden.never:
        if inside(real, never) or inside(never, real):
            return f"{never} is never given to a container"
    if inside(forbidden.home, real):
        return "a whole home is never given to a container"
    for folder in forbidden.written:
        if real != folder and inside(real, folder):
            return f"it is in {folder}, where a container could put a link in its place"
    return ""

"""What a repo may ask of its container by itself, and what a person has to approve. Pure.

What runs in a container can write all of its repo, `.repoman.toml` included. So what reaches
out of the container counts only as long as a person approved just that: these bytes, in a file
of the repo at this path, with mounts that lead to these folders.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from repoman_tasks.model import Defaults, Mount, Project, Wish
from repoman_tasks.planning.names import inside

__all__ = [
    "Approval",
    "Asked",
    "Places",
    "approval",
    "bounded",
    "difference",
    "fault",
    "granted",
    "reaches",
    "reaching",
    "stands",
]

_HERE = "local"
"""The remote of an image that is on the host already."""


@dataclass(frozen=True)
class Asked:
    """What a repo's file asks for, as it was read once."""

    repo: str
    """Real path of the repo."""
    digest: str
    """Of the file's bytes."""
    wish: Wish
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
class Places:
    """Real paths of the host that no container may have."""

    never: tuple[str, ...]
    """Neither they, nor what is in them, nor what holds them."""
    home: str
    """The person's home: what is in it may be mounted, but not all of it."""
    written: tuple[str, ...] = ()
    """Folders that containers write: what is in one of them could become a link any time."""


# --- what reaches out -----------------------------------------------------------------------


def reaching(asked: Asked, defaults: Defaults) -> tuple[str, ...]:
    """In words, what of a repo's wishes reaches out of its container."""
    wish = asked.wish
    found = [
        f"mount {source} at {mount.path}"
        for source, mount in zip(asked.sources, wish.mount, strict=True)
    ]
    found += [f"profile {name}" for name in wish.profiles or () if name not in defaults.profiles]
    if _is_unlimited(wish.profiles):
        found.append("no profile default, which limits the container")
    if not _is_allowed(wish.image, defaults):
        found.append(f"image {wish.image}, of a server that is not in image_remotes")
    return tuple(found)


def reaches(project: Project, defaults: Defaults) -> bool:
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


def granted(asked: Asked) -> Wish:
    """All that the repo asks for, its mounts by the folders that they really are."""
    return replace(asked.wish, mount=_mounts(asked))


def bounded(asked: Asked, defaults: Defaults) -> Wish:
    """What of it reaches nothing outside of the container."""
    wish = asked.wish
    own = wish.profiles
    strange = _is_unlimited(own) or any(name not in defaults.profiles for name in own or ())
    return Wish(
        image=wish.image if _is_allowed(wish.image, defaults) else "",
        profiles=None if strange else own,
        env=wish.env,
        exclude=wish.exclude,
    )


def _mounts(asked: Asked) -> tuple[Mount, ...]:
    pairs = zip(asked.sources, asked.wish.mount, strict=True)
    return tuple(Mount(source, mount.path) for source, mount in pairs)


# --- approval -------------------------------------------------------------------------------


def approval(asked: Asked, defaults: Defaults) -> Approval:
    """The approval of what is asked for."""
    return Approval(asked.repo, asked.digest, _mounts(asked), reaching(asked, defaults))


def stands(approved: Approval | None, asked: Asked) -> bool:
    """Whether just that was approved."""
    return approved is not None and (
        (approved.repo, approved.digest, approved.mounts)
        == (asked.repo, asked.digest, _mounts(asked))
    )


def difference(approved: Approval | None, asked: Asked, defaults: Defaults) -> list[str]:
    """What is asked for, against what was approved before: "+ …", "- …", and "  …" for the same."""
    before = approved.lines if approved else ()
    now = reaching(asked, defaults)
    gone = [f"- {line}" for line in before if line not in now]
    return gone + [f"{' ' if line in before else '+'} {line}" for line in now]


# --- what is never mounted ------------------------------------------------------------------


def fault(real: str, places: Places) -> str:
    """Why the folder at the real path `real` is never mounted; empty where it may be."""
    for never in places.never:
        if inside(real, never) or inside(never, real):
            return f"{never} is never given to a container"
    if inside(places.home, real):
        return "a whole home is never given to a container"
    for folder in places.written:
        if real != folder and inside(real, folder):
            return f"it is in {folder}, where a container could put a link in its place"
    return ""

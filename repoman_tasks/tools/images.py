"""Resolves image names: the images that Incus has, and those on its remotes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from repoman_tasks.errors import Failed, UsageError, quoted
from repoman_tasks.planning.container.template_plan import is_built
from repoman_tasks.planning.container.templates import IMAGE_PREFIX, check_no_built_image
from repoman_tasks.planning.names import image_fault, nearest
from repoman_tasks.planning.text.strict_json import parse_json
from repoman_tasks.registry.names_file import lines_of, names_file
from repoman_tasks.tools.incus import Incus, NoSuchImage

__all__ = ["delete_image", "distinct_images", "image_origin", "local_images", "naming_images"]

_LOCAL = ("unix://", "unix:/")


def image_origin(incus: Incus, image: str) -> dict[str, Any]:
    """Return the `source` of `image` for Incus's API: a local image, or one to download.

    Raise UsageError if the name is invalid or there is no such local image, and Refused if it was
    built for a template. If a remote has the image turns out at the download.
    """
    if fault := image_fault(image):
        raise UsageError(f"image {image!r}", fault)
    check_no_built_image(image)
    remote, colon, name = image.partition(":")
    if not colon:
        return _local_origin(incus, image)
    remotes = _read_remotes(incus)
    if remote not in remotes:
        near = nearest(remote, remotes)
        raise UsageError(
            f"image {image!r}: Incus has no remote {remote!r}",
            f"did you mean {near}:{name}?" if near else f"use one of {', '.join(sorted(remotes))}",
        )
    address, protocol = remotes[remote].get("Addr", ""), remotes[remote].get("Protocol", "")
    if address.startswith(_LOCAL):
        return _local_origin(incus, name)
    if protocol != "simplestreams":
        raise UsageError(
            f"image {image!r} is on a server with the protocol {protocol or 'unknown'}",
            f"run `incus image copy {quoted(image)} local: --alias {quoted(name)}`, "
            f"then use the image {name}",
        )
    pull = {"type": "image", "mode": "pull", "server": address, "protocol": protocol}
    return {**pull, "alias": name}


@contextmanager
def naming_images(image: str) -> Iterator[None]:
    """Have an error about `image`, which its server has not, name the command that lists others."""
    try:
        yield
    except NoSuchImage as error:
        remote = f"{image.partition(':')[0]}:"
        raise Failed(error.what, f"choose one of `incus image list {quoted(remote)}`") from None


def local_images(incus: Incus) -> dict[str, str]:
    """Return the fingerprints of the images that Incus has, by names for `image_origin`."""
    aliases = incus.get(incus.at("images", "aliases"), recursion=1) or []
    images = {f"local:{alias['name']}": str(alias.get("target")) for alias in aliases}
    valid = {
        name: images[name]
        for name in sorted(images)
        if not (image_fault(name) or name.startswith(f"local:{IMAGE_PREFIX}"))
    }
    incus.host.cache_file(names_file(incus.host, "images"), lines_of("image", valid))
    return valid


def distinct_images(names: Iterable[str], local: Mapping[str, str]) -> list[str]:
    """Return the first of `names` for each image; `local` is what `local_images` returns.

    `x` and `local:x` are one image, and so are two aliases of one fingerprint.
    """
    first: dict[str, str] = {}
    for name in filter(None, names):
        full = name if ":" in name else f"local:{name}"
        first.setdefault(local.get(full, full), name)
    return list(first.values())


def delete_image(incus: Incus, name: str) -> None:
    """Delete the image called `name`, if there is one."""
    alias = incus.get(incus.at("images", "aliases", name))
    if alias is not None:
        incus.change("DELETE", incus.at("images", str(alias.get("target"))))


def _local_origin(incus: Incus, name: str) -> dict[str, Any]:
    alias = incus.get(incus.at("images", "aliases", name))
    if alias is not None:
        return {"type": "image", "fingerprint": alias.get("target")}
    image = incus.get(incus.at("images", name)) if _is_fingerprint(name) else None
    if image is not None:
        if is_built(image):
            check_no_built_image(IMAGE_PREFIX + name)
        return {"type": "image", "fingerprint": image.get("fingerprint")}
    raise UsageError(
        f"there is no local image {name!r}",
        f"choose one of `incus image list`, or images:{name} to download it",
    )


def _is_fingerprint(name: str) -> bool:
    return len(name) >= 12 and not set(name) - set("0123456789abcdef")


def _read_remotes(incus: Incus) -> dict[str, dict[str, str]]:
    result = incus.host.read(["incus", "remote", "list", "--format", "json"])
    try:
        remotes: dict[str, dict[str, str]] = parse_json(result.out)
        return {name: dict(remote) for name, remote in remotes.items()}
    except (ValueError, TypeError, AttributeError):
        raise Failed("the remotes of Incus can't be listed", result.complaint) from None

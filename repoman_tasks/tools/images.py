"""Which image a name means, and where Incus gets it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from repoman_tasks.errors import Failed, UsageError
from repoman_tasks.planning.names import image_fault, nearest
from repoman_tasks.registry.names_file import lines_of, names_file
from repoman_tasks.tools.incus import Incus

__all__ = ["distinct_images", "image_origin", "images_here"]

_LOCAL = ("unix://", "unix:/")


def image_origin(incus: Incus, image: str) -> dict[str, Any]:
    """The source of `image`, as Incus's API has it: an image that is here, or one to download.

    `UsageError` where there is none of that name; a remote one is only looked for when it is
    downloaded.
    """
    if fault := image_fault(image):
        raise UsageError(f"image {image!r}", fault)
    remote, colon, name = image.partition(":")
    if not colon:
        return _here(incus, image)
    found = _remotes(incus)
    if remote not in found:
        near = nearest(remote, found)
        raise UsageError(
            f"image {image!r}: Incus knows no remote {remote!r}",
            f"did you mean {near}:{name}?" if near else f"it knows {', '.join(sorted(found))}",
        )
    address, protocol = found[remote].get("Addr", ""), found[remote].get("Protocol", "")
    if address.startswith(_LOCAL):
        return _here(incus, name)
    if protocol != "simplestreams":
        raise UsageError(
            f"image {image!r} is on a server that speaks {protocol or 'nothing known'}",
            f"`incus image copy {image} local: --alias {name}`, then name {name}",
        )
    pull = {"type": "image", "mode": "pull", "server": address, "protocol": protocol}
    return {**pull, "alias": name}


def images_here(incus: Incus) -> dict[str, str]:
    """Return the fingerprint of each image that Incus has, by a name that `image_origin` takes."""
    found = incus.get(incus.at("images", "aliases"), recursion=1) or []
    images = {f"local:{alias['name']}": alias["target"] for alias in found}
    valid = {name: images[name] for name in sorted(images) if not image_fault(name)}
    incus.host.cache_file(names_file(incus.host, "images"), lines_of("image", valid))
    return valid


def distinct_images(names: Iterable[str], here: Mapping[str, str]) -> list[str]:
    """Return the first of `names` for each image; `here` is what `images_here` returns.

    `x` and `local:x` are one image, and so are two aliases of one fingerprint.
    """
    found: dict[str, str] = {}
    for name in filter(None, names):
        full = name if ":" in name else f"local:{name}"
        found.setdefault(here.get(full, full), name)
    return list(found.values())


def _here(incus: Incus, name: str) -> dict[str, Any]:
    alias = incus.get(incus.at("images", "aliases", name))
    if alias is not None:
        return {"type": "image", "fingerprint": alias["target"]}
    found = incus.get(incus.at("images", name)) if _is_fingerprint(name) else None
    if found is not None:
        return {"type": "image", "fingerprint": found["fingerprint"]}
    raise UsageError(
        f"no image {name!r} is here",
        f"`incus image list` shows those that are; images:{name} would be downloaded",
    )


def _is_fingerprint(name: str) -> bool:
    return len(name) >= 12 and not set(name) - set("0123456789abcdef")


def _remotes(incus: Incus) -> dict[str, dict[str, str]]:
    result = incus.host.read(["incus", "remote", "list", "--format", "json"])
    try:
        found: dict[str, dict[str, str]] = json.loads(result.out)
        return {name: dict(remote) for name, remote in found.items()}
    except (ValueError, TypeError, AttributeError):
        raise Failed("incus can't list its remotes", result.complaint) from None

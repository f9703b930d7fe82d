"""The volumes of projects: what exists, and the steps of a plan that concern them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from repoman_tasks.errors import Failed
from repoman_tasks.hosts.base import Future
from repoman_tasks.late_dataclass import dataclass
from repoman_tasks.planning.container.homes import volume_path
from repoman_tasks.planning.container.spec import MAKING_TAG
from repoman_tasks.planning.container.volume import volume_steps
from repoman_tasks.planning.steps import DeleteVolume, MoveVolume, Step
from repoman_tasks.tools.incus import Incus

__all__ = ["VolumeAnswers", "delete_volume_steps", "find_half_made", "find_volume", "submit_volume"]


@dataclass(frozen=True)
class VolumeAnswers:
    """Pending answers about one volume and its pool."""

    home: str
    """Incus project that the volume is in, or that it will be made in."""
    target: str
    """Incus project that it belongs in."""
    name: str
    pool: str
    volume: Future[Any]
    moved: Future[Any]
    """The volume in the target, if that is not its home."""
    storage: Future[Any]

    @property
    def exists(self) -> bool:
        """Return True if a complete volume exists already."""
        volume = self.volume.result() or self.moved.result()
        return volume is not None and MAKING_TAG not in volume["config"]

    def steps(self, size: str) -> list[Step]:
        """Return the steps after which the volume exists with `size` as its limit."""
        driver = (self.storage.result() or {}).get("driver", "")
        home, actual = self.home, self.volume.result()
        if actual is None and (moved := self.moved.result()) is not None:
            home, actual = self.target, moved
        return volume_steps(home, self.pool, driver, size, self.name, actual)

    def move_steps(self) -> list[Step]:
        """Return the step that moves the volume to where it belongs; none if it is there."""
        if self.home == self.target or (
            self.volume.result() is None and self.moved.result() is not None
        ):
            return []
        return [MoveVolume(self.name, self.pool, self.home, self.target)]


def submit_volume(incus: Incus, name: str, pool: str, target: str = "") -> VolumeAnswers:
    """Ask for the volume `name` in `pool`, which belongs in the Incus project `target`.

    An empty target is its home.
    """
    home = incus.homes.of_volume(name)
    moved = Future[Any](lambda: None)
    if target not in ("", home):
        moved = incus.submit(volume_path(target, pool, name))
    return VolumeAnswers(
        home,
        target or home,
        name,
        pool,
        incus.submit(volume_path(home, pool, name)),
        moved,
        incus.submit(f"/1.0/storage-pools/{quote(pool, safe='')}"),
    )


def find_volume(incus: Incus, name: str, target: str = "") -> VolumeAnswers:
    """Ask for the volume of a project whose container does not exist yet.

    If there is none, its pool is that of the root disks. Raise Failed if they have none. It belongs
    in the Incus project `target`.
    """
    volumes = incus.submit_volumes()
    profile = incus.submit(incus.at("profiles", "default"))
    devices = ((profile.result() or {}).get("devices") or {}).values()
    pools = [device.get("pool", "") for device in devices if device.get("path") == "/"]
    pool = volumes.result().get(name) or next(iter(pools), "")
    if not pool:
        raise Failed("the profile default has no root disk", "run `repoman setup --repair`")
    return submit_volume(incus, name, pool, target)


def find_half_made(incus: Incus, volumes: Mapping[str, str]) -> list[str]:
    """Return those of `volumes`, each with its pool, whose creation was interrupted."""
    answers = [submit_volume(incus, name, pool) for name, pool in volumes.items()]
    return [answer.name for answer in answers if not answer.exists]


def delete_volume_steps(incus: Incus, name: str) -> list[Step]:
    """Return the step that deletes the volume `name`; none if there is none."""
    pool = incus.submit_volumes().result().get(name)
    return [DeleteVolume(name, pool)] if pool else []

"""The volumes of projects: what exists, and the steps of a plan that concern them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from repoman_tasks.errors import Failed, Refused, quoted
from repoman_tasks.hosts.base import Future
from repoman_tasks.late_dataclass import dataclass
from repoman_tasks.planning.container.homes import nesting_project, volume_path
from repoman_tasks.planning.container.spec import MAKING_TAG
from repoman_tasks.planning.container.volume import volume_steps
from repoman_tasks.planning.steps import DeleteVolume, Step
from repoman_tasks.tools.incus import Incus

__all__ = ["VolumeAnswers", "delete_volume_steps", "find_half_made", "find_volume", "submit_volume"]


@dataclass(frozen=True)
class VolumeAnswers:
    """Pending answers about one volume and its pool."""

    home: str
    """Incus project that the volume is in, or that it will be made in."""
    name: str
    pool: str
    volume: Future[Any]
    storage: Future[Any]

    @property
    def exists(self) -> bool:
        """Return True if a complete volume exists already."""
        volume = self.volume.result()
        return volume is not None and MAKING_TAG not in volume["config"]

    def steps(self, size: str) -> list[Step]:
        """Return the steps after which the volume exists with `size` as its limit."""
        driver = (self.storage.result() or {}).get("driver", "")
        actual = self.volume.result()
        return volume_steps(self.home, self.pool, driver, size, self.name, actual)


def submit_volume(incus: Incus, name: str, pool: str) -> VolumeAnswers:
    """Ask for the volume `name` in `pool`."""
    home = incus.homes.of_volume(name)
    volume = incus.submit(volume_path(home, pool, name))
    storage = incus.submit(f"/1.0/storage-pools/{quote(pool, safe='')}")
    return VolumeAnswers(home, name, pool, volume, storage)


def find_volume(incus: Incus, name: str, home: str) -> VolumeAnswers:
    """Ask for the volume of a project whose container does not exist yet, but will in `home`.

    If there is none, its pool is that of the root disks. Raise Failed if they have none, Refused if
    the volume is in another Incus project than the container will be, which would not find it.
    """
    projects = (incus.project, nesting_project(incus.project))
    answers = {project: incus.submit_volumes_in(project) for project in projects}
    profile = incus.submit(incus.at("profiles", "default"))
    pools = {project: answer.result().get(name) for project, answer in answers.items()}
    for project, pool in pools.items():
        if pool and project != home and not pools[home]:
            delete = ("incus", "storage", "volume", "delete", "--project", project, pool, name)
            without = "without" if home == incus.project else "with"
            raise Refused(
                f"{name} would be {without} nesting, but the volume of that name is in the Incus "
                f"project {project}",
                f"choose `nesting` as it was, or delete the volume with `{quoted(*delete)}`",
            )
    devices = ((profile.result() or {}).get("devices") or {}).values()
    of_disks = [device.get("pool", "") for device in devices if device.get("path") == "/"]
    pool = pools[home] or next(iter(of_disks), "")
    if not pool:
        raise Failed("the profile default has no root disk", "run `repoman setup --repair`")
    incus.homes.settle_volume(name, home)
    return submit_volume(incus, name, pool)


def find_half_made(incus: Incus, volumes: Mapping[str, str]) -> list[str]:
    """Return those of `volumes`, each with its pool, whose creation was interrupted."""
    answers = [submit_volume(incus, name, pool) for name, pool in volumes.items()]
    return [answer.name for answer in answers if not answer.exists]


def delete_volume_steps(incus: Incus, name: str) -> list[Step]:
    """Return the step that deletes the volume `name`; none if there is none."""
    pool = incus.submit_volumes().result().get(name)
    return [DeleteVolume(name, pool)] if pool else []

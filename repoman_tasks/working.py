"""What does steps on containers, for a session."""

from __future__ import annotations

from repoman_tasks.checks import incus, mountable
from repoman_tasks.containers.work import Devices, Work
from repoman_tasks.planning.declared import Declared
from repoman_tasks.planning.fence import opening_steps
from repoman_tasks.planning.steps import Step
from repoman_tasks.session import Session
from repoman_tasks.tools.places import check_devices

__all__ = ["opening", "work_of"]


def opening(session: Session, wanted: Declared) -> list[Step]:
    """The steps after which the Incus project has room for the mounts of `wanted`."""
    if len(wanted.devices) == 1:  # the repo alone
        return []
    found = session.of(incus)
    project = found.get(found.project_path) or {}
    return opening_steps(found.project, project.get("config") or {}, wanted)


def work_of(session: Session) -> Work:
    """What does steps on containers; each device passes by the places that are never mounted."""

    def check(devices: Devices) -> None:
        check_devices(session.host, session.of(mountable), devices)

    return Work(session.of(incus), session.screen.tell, check)

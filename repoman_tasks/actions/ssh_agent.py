"""Lending a person's SSH agent to a container for one session.

Incus forwards a socket by a proxy device, which the project forbids but while one is lent. It
can't be forbidden again while another session has one; the last of them does it.
"""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterator, Mapping

from repoman_tasks.actions.facts import incus
from repoman_tasks.errors import Failed, RepomanError, UsageError
from repoman_tasks.hosts.signals import defer_signals
from repoman_tasks.model import Person
from repoman_tasks.planning.container.spec import AGENT_DEVICE
from repoman_tasks.session import Session
from repoman_tasks.tools.incus import Incus

__all__ = ["forwarded_agent"]

_PROXIES = "restricted.devices.proxy"


@contextlib.contextmanager
def forwarded_agent(session: Session, name: str, person: Person) -> Iterator[str]:
    """While this holds, root and `person` in the container called `name` may use the SSH agent of
    this session; the path of its socket there. `UsageError` where there is no agent."""
    agent = session.host.environ.get("SSH_AUTH_SOCK", "")
    if not agent.startswith("/"):
        raise UsageError("there is no SSH agent to forward, SSH_AUTH_SOCK is not set", "start one")
    found = session.of(incus)
    token = uuid.uuid4().hex[:8]
    socket = f"/run/repoman-agent-{token}"
    ids = {"uid": str(person.uid), "gid": str(person.gid)}
    device = {
        "type": "proxy",
        "bind": "instance",
        "mode": "0600",
        **ids,
        "connect": f"unix:{agent}",
        "listen": f"unix:{socket}",
        **{f"security.{key}": value for key, value in ids.items()},
    }
    lock = session.store.lock_path(f"{name}.agent")
    try:
        with session.host.lock(lock, wait_seconds=20):
            _set_proxies(found, "allow")
            _set_device(found, name, f"{AGENT_DEVICE}{token}", device)
        yield socket
    finally:
        with defer_signals(), session.host.lock(lock, wait_seconds=20):
            _take_back(session, found, name, token)


def _take_back(session: Session, found: Incus, name: str, token: str) -> None:
    try:
        _set_device(found, name, f"{AGENT_DEVICE}{token}", None)
        argv = found.exec_argv(name, ["rm", "-f", f"/run/repoman-agent-{token}"])
        session.host.change(argv, timeout=20)
    except RepomanError as problem:
        session.screen.note(f"your SSH agent is still lent to {name}, {problem}")
        session.screen.note(f"`repoman update {name}` takes it back")
    with contextlib.suppress(RepomanError):  # another session has one
        _set_proxies(found, "block")


def _set_proxies(found: Incus, value: str) -> None:
    project = found.get(found.project_path)
    if project is None:
        raise Failed(f"the Incus project {found.project} is gone", "`repoman setup` creates it")
    config = {**project["config"], _PROXIES: value}
    found.change("PUT", found.project_path, {"config": config})


def _set_device(found: Incus, name: str, device: str, desired: Mapping[str, str] | None) -> None:
    container = found.container(name)
    if container is None:
        return
    devices = {key: dict(value) for key, value in container.devices.items() if key != device}
    if desired is not None:
        devices[device] = dict(desired)
    found.replace(name, {"devices": devices})

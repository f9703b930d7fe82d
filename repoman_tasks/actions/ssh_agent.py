"""Forwards a person's SSH agent into a container for one session.

Incus forwards a socket by a proxy device. The Incus project allows those only while a session
needs one, and the last session that ends blocks them again.
"""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterator, Mapping

from repoman_tasks.errors import Failed, RepomanError, UsageError, quoted
from repoman_tasks.hosts.signals import defer_signals
from repoman_tasks.planning.container.spec import AGENT_DEVICE
from repoman_tasks.terminal.screen import Screen
from repoman_tasks.tools.guest import GuestHandle
from repoman_tasks.tools.incus import Incus, project_path

__all__ = ["forward_ssh_agent"]

_PROXIES = "restricted.devices.proxy"
_LOCK_SECONDS = 20


@contextlib.contextmanager
def forward_ssh_agent(handle: GuestHandle, lock: str, screen: Screen) -> Iterator[str]:
    """Make the SSH agent available in the container, and yield the path of its socket there.

    Only root and the user in the container can use it. `lock` is the path of the lock to hold while
    devices change. Raise UsageError if no agent is running.
    """
    incus, name, host = handle.incus, handle.name, handle.incus.host
    agent = host.environ.get("SSH_AUTH_SOCK", "")
    if not agent.startswith("/"):
        raise UsageError(
            "there is no SSH agent to forward, SSH_AUTH_SOCK is not set", "start one with ssh-agent"
        )
    token = uuid.uuid4().hex[:8]
    device, socket = f"{AGENT_DEVICE}{token}", f"/run/repoman-agent-{token}"
    try:
        with host.lock(lock, wait_seconds=_LOCK_SECONDS):
            _set_proxies(incus, name, "allow")
            _set_device(incus, name, device, _proxy(handle, agent, socket))
        yield socket
    finally:
        with defer_signals(), host.lock(lock, wait_seconds=_LOCK_SECONDS):
            _stop_forwarding(incus, name, device, socket, screen)


def _proxy(handle: GuestHandle, agent: str, socket: str) -> dict[str, str]:
    ids = {"uid": str(handle.person.uid), "gid": str(handle.person.gid)}
    return {
        "type": "proxy",
        "bind": "instance",
        "mode": "0600",
        **ids,
        "connect": f"unix:{agent}",
        "listen": f"unix:{socket}",
        **{f"security.{key}": value for key, value in ids.items()},
    }


def _stop_forwarding(incus: Incus, name: str, device: str, socket: str, screen: Screen) -> None:
    try:
        _set_device(incus, name, device, None)
        incus.host.change(incus.exec_argv(name, ["rm", "-f", socket]), timeout=20)
    except RepomanError as problem:
        screen.note(f"your SSH agent is still forwarded to {name}, {problem}")
        screen.note(f"run `repoman update {quoted(name)}` to stop that")
    with contextlib.suppress(RepomanError):  # Incus refuses while another session needs a proxy
        _set_proxies(incus, name, "block")


def _set_proxies(incus: Incus, name: str, value: str) -> None:
    """Allow or block proxies in the Incus project of a container."""
    home = incus.homes.of(name)
    project = incus.get(project_path(home))
    if project is None:
        raise Failed(f"the Incus project {home} is gone", "run `repoman setup`")
    config = {**(project.get("config") or {}), _PROXIES: value}
    incus.change("PUT", project_path(home), {"config": config})


def _set_device(incus: Incus, name: str, device: str, desired: Mapping[str, str] | None) -> None:
    """Add a device to a container; None removes it."""
    container = incus.container(name)
    if container is None:
        return
    devices = {key: dict(value) for key, value in container.devices.items() if key != device}
    if desired is not None:
        devices[device] = dict(desired)
    incus.replace(name, {"devices": devices})

"""Connects the streams of this process to an sshd in a container, for ssh's ProxyCommand."""

from __future__ import annotations

from repoman_tasks.actions.container_entry import ready_project
from repoman_tasks.actions.facts import containers, incus, person, reconcile
from repoman_tasks.cli.connections import Connections
from repoman_tasks.planning.ssh_files import Target, check_user
from repoman_tasks.session import Session
from repoman_tasks.terminal.screen import Screen
from repoman_tasks.tools.guest import GuestHandle
from repoman_tasks.tools.guest_sshd import prepare_sshd, sshd_argv
from repoman_tasks.tools.ssh_access import know_host, read_public_key

__all__ = ["connect"]


def connect(here: Session, target: Target) -> int:
    """Serve one connection of ssh; return the exit code.

    Start the container if it is stopped. ssh on this host is told the container's host key first:
    Incus has named the container, so the key is known to be its own.
    """
    public = read_public_key(here.host)
    try:
        return _connect(here, target, public)
    except KeyboardInterrupt:  # ssh has ended, and ends its proxy by SIGHUP
        return 0


def _connect(here: Session, target: Target, public: str) -> int:
    if not target.host:
        return _serve(here, here, target, public)
    with (
        Connections(dry=here.dry) as connections,
        connections.open(target.host, here.prompter, needs_holder=False) as host,
    ):
        session = Session(host, here.prompter, Screen(target.host))
        with session.stack:
            return _serve(here, session, target, public)


def _serve(here: Session, session: Session, target: Target, public: str) -> int:
    session.submit(reconcile)
    session.submit(containers)
    session.submit(person)
    project, _ = ready_project(session, target.name, "", "exec")
    handle = GuestHandle(session.of(incus), project.name, session.of(person))
    check_user(target, handle.person.name)
    know_host(here.host, target.known_as, prepare_sshd(handle, public))
    return session.host.hand_over(sshd_argv(handle))

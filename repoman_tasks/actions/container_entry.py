"""Entering a container as the local user: what `shell` and `exec` share."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

from repoman_tasks.actions.facts import incus, person
from repoman_tasks.actions.project_container import (
    check_startable,
    existing_container,
    print_drift,
    resolve_project,
)
from repoman_tasks.model import Project
from repoman_tasks.planning.container.spec import Container
from repoman_tasks.planning.names import absolute
from repoman_tasks.session import Session
from repoman_tasks.tools.guest import GuestHandle, carry_in, enter_argv

__all__ = ["enter"]


def enter(
    session: Session,
    name: str | None,
    command: str,
    argv: Sequence[str],
    *,
    login: bool,
    forward_agent: bool = False,
) -> int:
    """Run `argv`, or a login shell, in the container; the exit status of what ran.

    With `forward_agent` the person's SSH agent is lent to the container meanwhile.
    """
    host, screen = session.host, session.screen
    project, folder = resolve_project(session, name, command)
    _wake(session, project, existing_container(session, project))
    print_drift(session, project)
    handle = GuestHandle(session.of(incus), project.name, session.of(person))
    terminal = host.environ.get("TERM", "") if screen.live else ""
    lang = host.environ.get("LC_ALL") or host.environ.get("LANG", "")
    variables = _secrets(session, project)
    with contextlib.ExitStack() as lent:
        if forward_agent:
            from repoman_tasks.actions.ssh_agent import forwarded_agent

            socket = lent.enter_context(forwarded_agent(session, project.name, handle.person))
            variables["SSH_AUTH_SOCK"] = socket
        inner = enter_argv(
            *(handle, folder, argv),
            login=login,
            terminal=terminal,
            lang=lang,
            secrets=carry_in(handle, variables) if variables else "",
        )
        code = host.hand_over(inner)
    return code if code >= 0 else 128 - code  # as a shell tells of a signal


def _secrets(session: Session, project: Project) -> dict[str, str]:
    """The variables of the project that nobody else may see."""
    if not project.env_file:
        return {}
    from repoman_tasks.tools.secrets import read_secrets

    path = absolute(project.env_file, session.host.home)
    return read_secrets(session.host, path)


def _wake(session: Session, project: Project, container: Container) -> None:
    """Have the container running; `Refused` where its repo is not there to be mounted."""
    if container.running:
        return
    check_startable(session, project)
    action = "unfreeze" if container.status == "frozen" else "start"
    session.screen.note(f"starting {project.name}")
    session.of(incus).set_state(project.name, action)

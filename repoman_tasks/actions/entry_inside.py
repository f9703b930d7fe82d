"""Entering a container as the local user: what `shell` and `exec` share."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

from repoman_tasks.actions.facts import incus, person
from repoman_tasks.actions.project_container import (
    check_startable,
    container_of,
    project_meant,
    remark,
)
from repoman_tasks.model import Project
from repoman_tasks.planning.container.spec import Container
from repoman_tasks.planning.names import absolute
from repoman_tasks.session import Session
from repoman_tasks.tools.guest import Room, carry_in, enter_words

__all__ = ["enter"]


def enter(
    session: Session,
    name: str | None,
    command: str,
    words: Sequence[str],
    *,
    login: bool,
    forward_agent: bool = False,
) -> int:
    """Run `words`, or a login shell, in the container; the exit status of what ran.

    With `forward_agent` the person's SSH agent is lent to the container meanwhile.
    """
    host, screen = session.host, session.screen
    project, folder = project_meant(session, name, command)
    _wake(session, project, container_of(session, project))
    remark(session, project)
    room = Room(session.of(incus), project.name, session.of(person))
    terminal = host.environ.get("TERM", "") if screen.live else ""
    lang = host.environ.get("LC_ALL") or host.environ.get("LANG", "")
    variables = _secrets(session, project)
    with contextlib.ExitStack() as lent:
        if forward_agent:
            from repoman_tasks.actions.ssh_agent import lent_agent

            socket = lent.enter_context(lent_agent(session, project.name, room.person))
            variables["SSH_AUTH_SOCK"] = socket
        inner = enter_words(
            *(room, folder, words),
            login=login,
            terminal=terminal,
            lang=lang,
            secrets=carry_in(room, variables) if variables else "",
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

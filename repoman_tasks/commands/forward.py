"""`forward`: reach the ports of a container from this machine."""

from __future__ import annotations

import signal
import sys

from repoman_tasks.actions.container_entry import ready_project
from repoman_tasks.actions.facts import addresses, containers, incus, person, reconcile
from repoman_tasks.cli.task import task
from repoman_tasks.planning.forwarding import parse_forwards, split_name, url
from repoman_tasks.session import Session
from repoman_tasks.tools.guest import GuestHandle
from repoman_tasks.wizards.project_choice import ask_forward


@task(
    wizard=ask_forward,
    pre=[reconcile, containers, person],
    positional=["name", "port"],
    help={
        "name": "Name of the project (default: the one whose repo you are in).",
        "port": "Port in the container, or PORT:LOCAL for another one here (0: any that is free).",
    },
    examples={
        "repoman forward isurus 3000": "See what listens on port 3000 in the container",
        "repoman forward isurus 80:8080 5432": "Forward two ports, one of them as 8080",
    },
    exit_codes={
        "1": "a port of this machine is in use",
        "6": "refused: the container is stopped and its repo is missing",
        "130": "ended by a signal other than Ctrl-C",
    },
)
def forward(session: Session, name: str | None = None, *, port: list[str]) -> None:
    """Reach ports of a container from this machine, until Ctrl-C.

    Whatever address the server listens on inside, loopback too. Here, only programs on this machine
    can connect.
    """
    from repoman_tasks.actions.port_forwarding import PortForwarding, leads_here, listen

    name, words = split_name(name, port)
    wanted = parse_forwards(words)
    project, _ = ready_project(session, name, session.host.folder, "forward")
    handle = GuestHandle(session.of(incus), project.name, session.of(person))
    inside = session.of(addresses).get(project.name)
    forwarding = PortForwarding(handle, [inside] if inside else [], session.screen)
    with listen(project.name, wanted) as listeners:
        resolves = leads_here(f"{project.name}.localhost")
        for one, _ in listeners:
            at = url(project.name, one.local, resolves=resolves)
            session.screen.line(f"{at} is port {one.port} in {project.name}")
        sys.stdout.flush()
        session.screen.note("Ctrl-C ends it")
        try:
            if not session.dry:
                forwarding.serve(listeners)
        except KeyboardInterrupt as interrupt:
            if interrupt.args not in ((), (signal.SIGINT,)):
                raise

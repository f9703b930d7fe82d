"""Tells a person who is not at the terminal which agents wait or are done: `agent list --tell`."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from repoman_tasks.actions.alert_channels import await_answers, notify, run_command
from repoman_tasks.actions.facts import stored_registry
from repoman_tasks.errors import RepomanError, UsageError
from repoman_tasks.hosts.base import Locked
from repoman_tasks.model import Alerts
from repoman_tasks.planning.alert_text import agent_alert, told_states
from repoman_tasks.planning.container.agent_sessions import AgentSession
from repoman_tasks.session import Session

__all__ = ["check_agent_alerts", "tell_agents"]


def check_agent_alerts(session: Session) -> Alerts:
    """Return whom to tell; raise UsageError if there is nobody, or if it is another host's."""
    alerts = session.of(stored_registry).alerts
    if not session.host.keeps_caches:  # its registry must not make this one send requests
        raise UsageError("--tell works on this host only", "run it on the host itself")
    if not (alerts.ntfy or alerts.command):
        raise UsageError("[alerts] names nobody to tell", "add ntfy or command to it")
    return alerts


def tell_agents(
    session: Session, alerts: Alerts, found: Sequence[AgentSession], document: Mapping[str, Any]
) -> None:
    """Tell each change of a session once, whoever looks. The command gets `document` as JSON.

    What could not be delivered is tried again by the next call.
    """
    if session.dry:
        return
    path = f"{session.store.mirrors.folder}/agent-alerts.json"
    with suppress(Locked), session.host.lock(session.store.lock_path("agents.alerts")):
        told = _told(session, path)
        channels = [name for name in ("ntfy", "command") if getattr(alerts, name)]
        new = {
            name: alert
            for name in channels
            if (alert := agent_alert(os.uname().nodename, told.get(name, {}), found))
        }
        hooks = {"ntfy": notify(alerts.ntfy, new["ntfy"])} if "ntfy" in new else {}
        failed = {}
        if "command" in new:
            failed["command"] = run_command(session.host, alerts.command, document)
        failed = await_answers(session.screen, hooks, failed)
        known = {
            name: told_states(told.get(name, {}), found)
            for name in channels
            if not failed.get(name)
        }
        if {**told, **known} != told:
            data = json.dumps({**told, **known}).encode()
            with suppress(RepomanError):
                session.host.write_file(path, data, noted=False)


def _told(session: Session, path: str) -> dict[str, dict[str, str]]:
    """Return the states that were told last, by channel and project."""
    with suppress(RepomanError, ValueError, AttributeError, TypeError):
        document = json.loads(session.host.read_file(path) or b"{}")
        return {channel: dict(states) for channel, states in document.items()}
    return {}

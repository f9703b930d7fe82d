"""Tells a person who is not at the terminal how a sync went, as [alerts] in the registry says."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from repoman_tasks.actions.alert_channels import await_answers, notify, post, run_command, warn
from repoman_tasks.actions.facts import stored_registry
from repoman_tasks.errors import ExitCode, RepomanError
from repoman_tasks.planning.alert_text import Alert, change_alert, failing, ping_url, summary
from repoman_tasks.planning.mirror.sync_plan import Outcome, SyncPlan
from repoman_tasks.session import Session
from repoman_tasks.terminal.sync_output import sync_json

if TYPE_CHECKING:
    from repoman_tasks.tools.web_hook import WebHook

__all__ = ["SyncAlerts"]

_Told = Mapping[str, Mapping[str, int]]
"""By channel and project, the exit codes that the last alert was about."""


class SyncAlerts:
    """The alerts of one sync. None of them fails it; what goes wrong is printed as a warning.

    healthchecks hears of each sync of all projects, and so notices if there is none. The others
    hear of changes: a project that fails now, or no longer. What could not be delivered is tried
    again by the next sync.
    """

    def __init__(self, session: Session, plan: SyncPlan) -> None:
        self._session = session
        self._plan = plan
        self._alerts = session.of(stored_registry).alerts
        # Another host's registry must not make this one send requests. What a sync by --host finds
        # is told by that host's next one.
        here = session.host.keeps_caches
        self._on = here and not (session.dry or plan.options.dry_run) and bool(self._alerts)
        self._elsewhere = not (here or plan.options.dry_run) and bool(self._alerts)
        self._path = f"{session.store.mirrors.folder}/alerts.json"

    def start(self) -> None:
        """Tell that the sync begins."""
        self._ping("start", "")

    def send_crash(self, reason: str) -> None:
        """Tell that the sync ended before it could tell how, for `reason`."""
        if not self._on:
            return
        text = f"the nightly sync did not end by itself ({reason}): see its journal"
        alert = Alert(f"repoman on {os.uname().nodename}: the nightly sync failed", text, bad=True)
        ping, failed = self._ping("fail", text), dict[str, str]()
        hooks = {"healthchecks": ping} if ping else {}
        if self._alerts.ntfy:
            hooks["ntfy"] = notify(self._alerts.ntfy, alert)
        if self._alerts.command:
            document = sync_json([], self._plan.options, ExitCode.FAILED)
            failed["command"] = run_command(self._session.host, self._alerts.command, document)
        await_answers(self._session.screen, hooks, failed)

    def send(self, outcomes: Sequence[Outcome], code: int) -> None:
        """Send what there is to tell of `outcomes`; an interrupted sync tells nothing."""
        if self._elsewhere:
            self._session.screen.note("--host sends no alerts: the next sync there sends them")
        if not self._on or code == ExitCode.INTERRUPTED:
            return
        try:
            self._send(outcomes, code)
        except Exception as error:  # whatever it is, the sync is done
            warn(self._session.screen, f"an alert could not be sent, {type(error).__name__}")

    def _send(self, outcomes: Sequence[Outcome], code: int) -> None:
        registry = self._session.store.load()
        now = failing(registry.projects, self._session.store.mirrors.load().failures)
        ping = self._ping(
            "fail" if code else "", "\n".join(summary(now)) or f"exit code {int(code)}"
        )
        told, host = self._told(), os.uname().nodename
        alerts = {
            channel: alert
            for channel, value in (("ntfy", self._alerts.ntfy), ("command", self._alerts.command))
            if value and (alert := change_alert(host, told.get(channel, {}), now))
        }
        hooks = {"healthchecks": ping} if ping else {}
        if "ntfy" in alerts:
            hooks["ntfy"] = notify(self._alerts.ntfy, alerts["ntfy"])
        failed = {}
        if "command" in alerts:
            failed["command"] = run_command(
                *(self._session.host, self._alerts.command),
                sync_json(outcomes, self._plan.options, code),
            )
        failed = await_answers(self._session.screen, hooks, failed)
        codes = {name: failure.code for name, failure in now.items()}
        self._remember({**told, **{name: codes for name in alerts if not failed[name]}})

    def _ping(self, word: str, text: str) -> WebHook | None:
        if not self._on or not self._alerts.healthchecks or self._plan.single:
            return None
        return post(ping_url(self._alerts.healthchecks, word), text)

    def _told(self) -> _Told:
        with suppress(RepomanError, ValueError, AttributeError, TypeError):
            document = json.loads(self._session.host.read_file(self._path) or b"{}")
            return {channel: dict(codes) for channel, codes in document.items()}
        return {}

    def _remember(self, told: _Told) -> None:
        if told != self._told():
            with suppress(RepomanError):
                self._session.host.write_file(self._path, json.dumps(told).encode(), noted=False)

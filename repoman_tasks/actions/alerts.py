"""Tells a person who is not at the terminal how a sync went, as [alerts] in the registry says."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from repoman_tasks.actions.facts import stored_registry
from repoman_tasks.errors import ExitCode, RepomanError
from repoman_tasks.planning.alert_text import Alert, change_alert, failing, ping_url, summary
from repoman_tasks.planning.mirror.sync_plan import Outcome, SyncPlan
from repoman_tasks.session import Session
from repoman_tasks.terminal.sync_output import sync_json

if TYPE_CHECKING:
    from repoman_tasks.tools.web_hook import WebHook

__all__ = ["SyncAlerts"]

_SECONDS = 10.0
"""Time limit of all requests together, and of the command."""

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
            hooks["ntfy"] = _notify(self._alerts.ntfy, alert)
        if self._alerts.command:
            document = sync_json([], self._plan.options, ExitCode.FAILED)
            failed["command"] = self._run_command(document, _SECONDS)
        self._await(hooks, failed)

    def send(self, outcomes: Sequence[Outcome], code: int) -> None:
        """Send what there is to tell of `outcomes`; an interrupted sync tells nothing."""
        if self._elsewhere:
            self._session.screen.note("--host sends no alerts: the next sync there sends them")
        if not self._on or code == ExitCode.INTERRUPTED:
            return
        try:
            self._send(outcomes, code)
        except Exception as error:  # whatever it is, the sync is done
            self._warn(f"an alert could not be sent, {type(error).__name__}")

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
            hooks["ntfy"] = _notify(self._alerts.ntfy, alerts["ntfy"])
        failed = {}
        if "command" in alerts:
            failed["command"] = self._run_command(
                sync_json(outcomes, self._plan.options, code), _SECONDS
            )
        failed = self._await(hooks, failed)
        codes = {name: failure.code for name, failure in now.items()}
        self._remember({**told, **{name: codes for name in alerts if not failed[name]}})

    def _await(self, hooks: Mapping[str, WebHook], failed: Mapping[str, str]) -> dict[str, str]:
        """Return what went wrong by channel, with the answers of `hooks`, and print it."""
        ends = time.monotonic() + _SECONDS
        problems = {name: hook.wait(ends - time.monotonic()) for name, hook in hooks.items()}
        for channel, problem in {**failed, **problems}.items():
            if problem:
                self._warn(f"alert by {channel}: {problem}: check {channel} in [alerts]")
        return {**failed, **problems}

    def _warn(self, text: str) -> None:
        self._session.screen.note(f"repoman: warning: {text}")

    def _ping(self, word: str, text: str) -> WebHook | None:
        if not self._on or not self._alerts.healthchecks or self._plan.single:
            return None
        return _post(ping_url(self._alerts.healthchecks, word), text)

    def _run_command(self, document: Mapping[str, Any], seconds: float) -> str:
        """Run the command with the result of the sync; return what went wrong."""
        given = json.dumps(document).encode()
        try:
            argv = self._alerts.command
            result = self._session.host.change(argv, timeout=seconds, stdin=given)
        except RepomanError as error:
            return error.what
        return f"it exited with status {result.code}" if result.code else ""

    def _told(self) -> _Told:
        with suppress(RepomanError, ValueError, AttributeError, TypeError):
            document = json.loads(self._session.host.read_file(self._path) or b"{}")
            return {channel: dict(codes) for channel, codes in document.items()}
        return {}

    def _remember(self, told: _Told) -> None:
        if told != self._told():
            with suppress(RepomanError):
                self._session.host.write_file(self._path, json.dumps(told).encode(), noted=False)


def _notify(url: str, alert: Alert) -> WebHook:
    headers = {"Title": alert.title.encode("ascii", "replace").decode()}
    headers |= {"Priority": "high", "Tags": "warning"} if alert.bad else {}
    return _post(url, alert.text, headers)


def _post(url: str, text: str, headers: Mapping[str, str] | None = None) -> WebHook:
    from repoman_tasks.tools.web_hook import WebHook  # 20 ms that a sync without alerts saves

    return WebHook(url, text, headers)

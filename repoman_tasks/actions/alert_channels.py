"""The ways to a person who is not at the terminal: services, and a program of the person's own.

None of them fails a command; what goes wrong is printed as a warning, without the URL.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from repoman_tasks.errors import RepomanError
from repoman_tasks.hosts.base import Host
from repoman_tasks.planning.alert_text import Alert
from repoman_tasks.terminal.screen import Screen

if TYPE_CHECKING:
    from repoman_tasks.tools.web_hook import WebHook

__all__ = ["await_answers", "notify", "post", "run_command", "warn"]

_SECONDS = 10.0
"""Time limit of all requests together, and of the command."""


def notify(url: str, alert: Alert) -> WebHook:
    """Send `alert` to a topic of ntfy."""
    headers = {"Title": alert.title.encode("ascii", "replace").decode()}
    headers |= {"Priority": "high", "Tags": "warning"} if alert.bad else {}
    return post(url, alert.text, headers)


def post(url: str, text: str, headers: Mapping[str, str] | None = None) -> WebHook:
    """Send `text` to a service."""
    from repoman_tasks.tools.web_hook import WebHook  # 20 ms that a sync without alerts saves

    return WebHook(url, text, headers)


def run_command(host: Host, argv: Sequence[str], document: Mapping[str, Any]) -> str:
    """Run a program with JSON on its input; return what went wrong, "" if nothing did."""
    given = json.dumps(document).encode()
    try:
        result = host.change(argv, timeout=_SECONDS, stdin=given)
    except RepomanError as error:
        return error.what
    return f"it exited with status {result.code}" if result.code else ""


def await_answers(
    screen: Screen, hooks: Mapping[str, WebHook], failed: Mapping[str, str]
) -> dict[str, str]:
    """Return what went wrong by channel, with the answers of `hooks`, and print it."""
    ends = time.monotonic() + _SECONDS
    problems = {name: hook.wait(ends - time.monotonic()) for name, hook in hooks.items()}
    for channel, problem in {**failed, **problems}.items():
        if problem:
            warn(screen, f"alert by {channel}: {problem}: check {channel} in [alerts]")
    return {**failed, **problems}


def warn(screen: Screen, text: str) -> None:
    """Print a warning."""
    screen.note(f"repoman: warning: {text}")

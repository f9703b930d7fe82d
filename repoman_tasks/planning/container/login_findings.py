"""Findings about the logins that containers are given or share. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from repoman_tasks.errors import quoted
from repoman_tasks.planning.container.logins import SHARING_AGENT, SharedLogin, StoredLogin
from repoman_tasks.planning.findings import Finding
from repoman_tasks.planning.text.wording import format_age, hours_since

__all__ = ["login_state", "shared_login_findings", "shared_login_state", "stored_login_findings"]


def stored_login_findings(logins: Iterable[StoredLogin], now: str) -> list[Finding]:
    """Return the findings about logins that containers should be given."""
    return [
        finding
        for login in logins
        for finding in (
            _missing_finding(login) or _fault_finding(login) or _old_finding(login, now),
        )
        if finding
    ]


def login_state(login: StoredLogin, now: str) -> str:
    """Return what a login is, for a table: its kind and age, its problem, or an empty string."""
    if not login.exists:
        return ""
    if login.fault or login.key is None:
        return login.fault
    old = ", too old" if _old_finding(login, now) else ""
    return f"{login.key.kind}, stored {format_age(login.stored, now)}{old}"


def _missing_finding(login: StoredLogin) -> Finding | None:
    if login.exists:
        return None
    what = f"{login.agent} is not logged in, though `logins` in the registry names it"
    remove = _command(login.agent, "--remove")
    cure = f"run {_command(login.agent)}, or give it to nobody: {remove}"
    return _finding(what, cure)


def _command(agent: str, *options: str) -> str:
    return f"`repoman login {quoted(agent, *options)}`"


def _fault_finding(login: StoredLogin) -> Finding | None:
    if not login.fault:
        return None
    return _finding(f"the login of {login.agent}, {login.path}, {login.fault}", login.cure)


def _old_finding(login: StoredLogin, now: str) -> Finding | None:
    days = login.key.days if login.key else 0
    if not days or hours_since(login.stored, now) < days * 24:
        return None
    age = format_age(login.stored, now)
    what = f"the token of {login.agent} was stored {age}, and such tokens expire after {days} d"
    return _finding(what, f"create a new one, then run {_command(login.agent)}")


def shared_login_findings(login: SharedLogin, now: str, project: str) -> list[Finding]:
    """Return the findings about the shared login; `project` is one whose container has it."""
    log_in = f"log in: `repoman shell {quoted(project)} -- {quoted(SHARING_AGENT)} auth login`"
    remove = f"delete it by `rm -f {quoted(login.path)}`, then {log_in}"
    name = f"the shared login of {SHARING_AGENT}"
    if not login.exists:
        return [_finding(f"{name} does not exist yet", log_in)]
    if login.fault:
        return [_finding(f"{name}, {login.path}, {login.fault}", login.cure or remove)]
    found = []
    if _is_expired(login, now):
        found.append(_finding(f"{name} has expired", log_in))
    if login.recorded_account and login.account not in ("", login.recorded_account):
        what = f"{name} is of organisation {login.account}, not of {login.recorded_account}"
        cure = f"if you changed it, run {_command(SHARING_AGENT, '--shared')}; else {remove}"
        found.append(_finding(what, cure))
    return found


def shared_login_state(login: SharedLogin, now: str) -> str:
    """Return what the shared login is, for a table; an empty string if it does not exist."""
    if not login.exists:
        return ""
    return login.fault or ("expired" if _is_expired(login, now) else "shared login")


def _is_expired(login: SharedLogin, now: str) -> bool:
    until = login.usable_until
    return until is not None and until <= datetime.fromisoformat(now).timestamp()


def _finding(what: str, cure: str) -> Finding:
    return Finding("login", what, cure, kind="login")

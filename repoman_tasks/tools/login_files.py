"""The logins of agents on the host: those that repoman keeps, and the one that containers share.

A file of repoman's holds a variable for the container. The folder that containers share is
writable by them, so what is in it may be hostile.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from functools import partial
from typing import Any

from repoman_tasks.errors import RepomanError, quoted
from repoman_tasks.hosts.base import Future, Host, Result
from repoman_tasks.hosts.processes import utc_text
from repoman_tasks.planning.container.agents import Agent
from repoman_tasks.planning.container.logins import (
    SHARING_AGENT,
    SharedLogin,
    StoredLogin,
    find_agent,
    find_key,
)
from repoman_tasks.planning.text.strict_json import parse_json
from repoman_tasks.registry.names_file import state_folder
from repoman_tasks.tools.regular_file import submit_head
from repoman_tasks.tools.secrets import submit_secrets

__all__ = [
    "login_path",
    "logins_lock",
    "submit_login",
    "submit_shared_login",
    "submit_stored_logins",
]

_MOST_BYTES = 64 << 10
_ACCOUNT_BYTES = 100


def login_path(host: Host, agent: str) -> str:
    """Return the path of the file that holds the login of `agent`.

    It is in the state folder: others mirror or publish their configuration.
    """
    return f"{state_folder(host)}/logins/{agent}.env"


def logins_lock(host: Host) -> str:
    """Return the path of the lock against other commands that change logins."""
    return f"{state_folder(host)}/logins.lock"


def submit_login(host: Host, agent: str) -> Future[dict[str, str]]:
    """Ask for the variables of the login of `agent`; errors are those of `submit_secrets`."""
    return submit_secrets(host, login_path(host, agent), f"login of {agent}")


# --- stored logins --------------------------------------------------------------------------


def submit_stored_logins(host: Host, agents: Iterable[str]) -> Future[list[StoredLogin]]:
    """Ask for the stored logins of `agents`, those that do not exist included."""
    answers = [(find_agent(name), *_submit_stored(host, name)) for name in agents]
    return Future(lambda: [_stored(host, *answer) for answer in answers])


def _submit_stored(host: Host, agent: str) -> tuple[Future[Result], Future[dict[str, str]]]:
    path = login_path(host, agent)
    return _submit_attributes(host, path), submit_login(host, agent)


def _submit_attributes(host: Host, path: str) -> Future[Result]:
    """Ask for type, mode, owner and time of the file at `path`; no output if there is none."""
    return host.submit(["find", path, "-maxdepth", "0", "-printf", "%y %m %U %T@"])


def _stored(
    host: Host, agent: Agent, attributes: Future[Result], secrets: Future[dict[str, str]]
) -> StoredLogin:
    path = login_path(host, agent.name)
    words = attributes.result().text.split()
    if len(words) != 4:
        return StoredLogin(agent.name, path)
    fault, cure = _file_fault(host, path, words)
    cure = cure or f"run `repoman login {quoted(agent.name)}`"
    stored = utc_text(datetime.fromtimestamp(float(words[3]), UTC))
    login = partial(StoredLogin, agent.name, path, True, stored=stored)
    if fault:
        return login(fault, cure)
    try:
        variables = secrets.result()
        keys = [key for key in agent.keys if key.variable in variables]
        return login(key=find_key(agent, variables[keys[0].variable] if keys else ""))
    except RepomanError:
        return login("can't be parsed", cure)


def _file_fault(host: Host, path: str, words: list[str]) -> tuple[str, str]:
    """Return the problem of a file with these attributes, and its cure if that is a simple one."""
    kind, mode, owner, _ = words
    if kind != "f":
        return "is not a regular file", ""
    if owner != str(host.uid):
        return f"belongs to uid {owner}", ""
    if int(mode, 8) & 0o077:
        return "can be read by others", f"run `chmod 600 {quoted(path)}`"
    return "", ""


# --- the shared login -----------------------------------------------------------------------


def submit_shared_login(host: Host, folder: str) -> Future[SharedLogin]:
    """Ask for the login that containers share in `folder`."""
    path = f"{folder}/.credentials.json"
    attributes, head = _submit_attributes(host, path), submit_head(host, path, _MOST_BYTES + 1)
    account_path = f"{state_folder(host)}/logins/{SHARING_AGENT}.account"
    account = submit_head(host, account_path, _ACCOUNT_BYTES)
    return Future(partial(_shared, host, path, account_path, attributes, head, account))


def _shared(
    host: Host,
    path: str,
    account_path: str,
    attributes: Future[Result],
    head: Future[Result],
    account: Future[Result],
) -> SharedLogin:
    words = attributes.result().text.split()
    recorded = account.result().text.strip()
    login = partial(SharedLogin, path, account_path=account_path, recorded_account=recorded)
    if len(words) != 4:
        return login()
    fault, cure = _file_fault(host, path, words)
    if fault:
        return login(True, fault, cure)
    try:
        return login(True, **_parse_credentials(head.result().out))
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError):
        return login(True, "can't be parsed")


def _parse_credentials(data: bytes) -> dict[str, Any]:
    """Return until when a login is usable, and its organisation, of Claude Code's file.

    If the server refuses to renew a login, Claude Code leaves its tokens empty.
    """
    if len(data) > _MOST_BYTES:
        raise ValueError("too long")
    document = parse_json(data)
    login, account = document["claudeAiOauth"], document.get("organizationUuid", "")
    access, refresh = login["accessToken"], login.get("refreshToken") or ""
    if not all(isinstance(text, str) for text in (access, refresh, account)):
        raise TypeError("not text")
    until = None if refresh else _seconds(login["expiresAt"]) if access else 0.0
    printable = account.isprintable() and len(account) < _ACCOUNT_BYTES
    return {"usable_until": until, "account": account if printable else ""}


def _seconds(milliseconds: object) -> float:
    """Return a time in seconds. Raise TypeError unless it is a number: float() takes "nan", too."""
    if isinstance(milliseconds, bool) or not isinstance(milliseconds, int | float):
        raise TypeError("not a number")
    return milliseconds / 1000

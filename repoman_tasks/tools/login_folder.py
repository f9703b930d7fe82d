"""The folder of the host that holds the login which containers share, if they do."""

from __future__ import annotations

from repoman_tasks.errors import Failed, Refused, quoted
from repoman_tasks.hosts.base import Future, Host
from repoman_tasks.model import Defaults

__all__ = ["check_login_folder", "login_folder", "submit_other_names"]

_TAIL = "/repoman/claude-login"
_LOGIN = ".credentials.json"
"""The login; its lock and its temporary files have names that begin with it."""
_MOST_BYTES = 1 << 16
"""Containers can create any number of files there."""


def login_folder(host: Host, defaults: Defaults) -> str:
    """Return the path of the folder of the shared login, or "" if no login is shared."""
    if not defaults.shared_login:
        return ""
    base = host.environ.get("XDG_DATA_HOME", "")
    return f"{base if base.startswith('/') else f'{host.home}/.local/share'}{_TAIL}"


def check_login_folder(path: str, real: str) -> None:
    """Raise Refused if the folder of the login is a link to another one, such as an agent's."""
    if path and not real.endswith(_TAIL):
        raise Refused(
            f"{path} leads to {real}, which may hold more than a login",
            f"remove that link: `rm {quoted(path)}`",
        )


def submit_other_names(host: Host, path: str) -> Future[tuple[str, ...]]:
    """Ask for the names of what is in the folder of the login, except that login.

    Containers can write them, so too many must not hide what else there is to report.
    """
    if not path:
        return Future(tuple)
    argv = ["find", path, "-mindepth", "1", "-maxdepth", "1", "!", "-name", f"{_LOGIN}*"]
    answer = host.submit([*argv, "-printf", "%f\\0"], max_bytes=_MOST_BYTES)

    def read() -> tuple[str, ...]:
        try:
            return tuple(answer.result().out.decode(errors="replace").split("\0")[:-1])
        except Failed:
            return ("more files than can be listed",)

    return Future(read)

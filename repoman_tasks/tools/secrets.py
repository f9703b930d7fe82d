"""Reads files of secret variables: a project's env_file, and the logins of agents.

Only their owner can read them. `guest.stage_secrets` writes them into the container.
"""

from __future__ import annotations

from functools import partial

from repoman_tasks.errors import Failed, Refused, UsageError, quoted
from repoman_tasks.hosts.base import Future, Host, Result
from repoman_tasks.planning.names import variable_fault
from repoman_tasks.tools.regular_file import submit_head

__all__ = ["submit_secrets"]

_MOST_BYTES = 64 << 10
_SECONDS = 20.0


def submit_secrets(host: Host, path: str, label: str = "env_file") -> Future[dict[str, str]]:
    """Ask for the variables in the file at `path`: NAME=value lines, # comments and empty lines.

    The result raises Failed if it does not exist, Refused if it is not a regular file that only
    its owner can read, and UsageError with the number of an invalid line, but not its text.
    """
    stat = host.submit(["stat", "--format=%F:%a:%u", "--", path], timeout=_SECONDS)
    head = submit_head(host, path, _MOST_BYTES + 1, timeout=_SECONDS)
    return Future(partial(_read, host, path, label, stat, head))


def _read(
    host: Host, path: str, label: str, stat: Future[Result], head: Future[Result]
) -> dict[str, str]:
    found = stat.result()
    if found.code:
        raise Failed(f"{label} {path} can't be read", found.complaint.rpartition(": ")[2])
    kind, mode, owner = found.text.strip().rsplit(":", 2)
    if not kind.startswith("regular"):
        raise Refused(f"{label} {path} is a {kind}", "use a regular file")
    if int(mode, 8) & 0o077 or int(owner) != host.uid:
        raise Refused(f"{label} {path} can be read by others", f"run `chmod 600 {quoted(path)}`")
    data = head.result().out
    if len(data) > _MOST_BYTES:
        raise UsageError(f"{label} {path} is longer than {_MOST_BYTES >> 10} KiB", "shorten it")
    return _parse(data.decode(errors="surrogateescape"), path, label)


def _parse(text: str, path: str, label: str) -> dict[str, str]:
    variables = {}
    for number, line in enumerate(text.splitlines(), 1):
        line = line.strip().removeprefix("export ")
        if not line or line.startswith("#"):
            continue
        name, equals, value = line.partition("=")
        if not equals or variable_fault(name) or "\0" in value:
            raise UsageError(f"{label} {path}, line {number}: not a variable", "write NAME=value")
        quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "'\""
        variables[name] = value[1:-1] if quoted else value
    return variables

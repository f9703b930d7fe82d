"""Reads env_file: a project's secret variables, in a file that only its owner can read.

`guest.stage_secrets` writes them into the container.
"""

from __future__ import annotations

from repoman_tasks.errors import Failed, Refused, UsageError, quoted
from repoman_tasks.hosts.base import Host
from repoman_tasks.planning.names import variable_fault
from repoman_tasks.tools.regular_file import submit_head

__all__ = ["read_secrets"]

_MOST_BYTES = 64 << 10
_SECONDS = 20.0


def read_secrets(host: Host, path: str) -> dict[str, str]:
    """Return the variables in the file at `path`: NAME=value lines, # comments and empty lines.

    Raise Refused if it is not a regular file that only its owner can read, and UsageError with the
    number of an invalid line, but not its text.
    """
    stat = host.read(["stat", "--format=%F:%a:%u", "--", path], timeout=_SECONDS)
    if stat.code:
        raise Failed(f"env_file {path} can't be read", stat.complaint.rpartition(": ")[2])
    kind, mode, owner = stat.text.strip().rsplit(":", 2)
    if not kind.startswith("regular"):
        raise Refused(f"env_file {path} is a {kind}", "use a regular file")
    if int(mode, 8) & 0o077 or int(owner) != host.uid:
        raise Refused(f"env_file {path} can be read by others", f"run `chmod 600 {quoted(path)}`")
    data = submit_head(host, path, _MOST_BYTES + 1).result().out
    if len(data) > _MOST_BYTES:
        raise UsageError(f"env_file {path} is longer than {_MOST_BYTES >> 10} KiB", "shorten it")
    return _parse(data.decode(errors="surrogateescape"), path)


def _parse(text: str, path: str) -> dict[str, str]:
    variables = {}
    for number, line in enumerate(text.splitlines(), 1):
        line = line.strip().removeprefix("export ")
        if not line or line.startswith("#"):
            continue
        name, equals, value = line.partition("=")
        if not equals or variable_fault(name) or "\0" in value:
            raise UsageError(f"env_file {path}, line {number}: not a variable", "write NAME=value")
        quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "'\""
        variables[name] = value[1:-1] if quoted else value
    return variables

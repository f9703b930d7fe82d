"""Variables that only a project's own container may see, from a file that only its owner may.

`tools.guest.carry_in` takes them there.
"""

from __future__ import annotations

from repoman_tasks.errors import Failed, Refused, UsageError
from repoman_tasks.hosts.base import Host
from repoman_tasks.planning.names import variable_fault
from repoman_tasks.tools.regular_file import submit_begin

__all__ = ["read_secrets"]

_MOST_BYTES = 64 << 10
_SECONDS = 20.0


def read_secrets(host: Host, path: str) -> dict[str, str]:
    """The variables in the file at `path`: lines as NAME=value, with # comments and empty ones.

    `Refused` where it is no plain file that its owner alone may read; `UsageError` with the
    line, without its text, where that is wrong.
    """
    said = host.read(["stat", "--format=%F:%a:%u", "--", path], timeout=_SECONDS)
    if said.code:
        raise Failed(f"env_file {path} can't be read", said.complaint.rpartition(": ")[2])
    kind, mode, owner = said.text.strip().rsplit(":", 2)
    if not kind.startswith("regular"):
        raise Refused(f"env_file {path} is a {kind}", "it has to be a plain file")
    if int(mode, 8) & 0o077 or int(owner) != host.uid:
        raise Refused(f"env_file {path} can be read by others", f"`chmod 600 {path}`")
    data = submit_begin(host, path, _MOST_BYTES + 1).result().out
    if len(data) > _MOST_BYTES:
        raise UsageError(f"env_file {path} is longer than {_MOST_BYTES >> 10} KiB", "shorten it")
    return _parsed(data.decode(errors="surrogateescape"), path)


def _parsed(text: str, path: str) -> dict[str, str]:
    found = {}
    for number, line in enumerate(text.splitlines(), 1):
        line = line.strip().removeprefix("export ")
        if not line or line.startswith("#"):
            continue
        name, equals, value = line.partition("=")
        if not equals or variable_fault(name) or "\0" in value:
            raise UsageError(f"env_file {path}, line {number}: no variable", "write NAME=value")
        quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "'\""
        found[name] = value[1:-1] if quoted else value
    return found

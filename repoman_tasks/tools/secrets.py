"""Variables that only a project's own container may see, from a file that only its owner may.

They go in through standard input, into a file that is read once and removed: never into words,
which others see in the list of processes, nor into Incus's configuration or repoman's output.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping

from repoman_tasks.errors import Failed, Refused, UsageError
from repoman_tasks.host import Host
from repoman_tasks.planning.names import variable_fault
from repoman_tasks.tools.guest import Room

__all__ = ["carry_in", "read_secrets"]

_MOST_BYTES = 64 << 10
_SECONDS = 20.0

_PUT = 'umask 077; mkdir -p /run/repoman && cat >"/run/repoman/$1"'


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
    words = ["dd", f"if={path}", f"bs={_MOST_BYTES + 1}", "count=1", "iflag=nofollow,nonblock"]
    data = host.read([*words, "status=none"], timeout=_SECONDS).out
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


def carry_in(room: Room, secrets: Mapping[str, str]) -> str:
    """Put variables where `tools.guest` takes them from when it enters; the name of that."""
    name = uuid.uuid4().hex
    text = "".join(f"{key}={value}\n" for key, value in secrets.items())
    words = room.incus.exec_words(room.name, ["sh", "-c", _PUT, "sh", name])
    given = text.encode(errors="surrogateescape")
    result = room.incus.host.change(words, timeout=_SECONDS, given=given)
    if result.code:
        raise Failed(f"secrets can't be put into {room.name}", result.complaint)
    return name

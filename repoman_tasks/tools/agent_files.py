"""Copies a person's own files for agents from the host into a container, and never back.

The files come from the host and are checked there; the container may be hostile, but gets nothing
else, and nothing that it holds is read.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from repoman_tasks.errors import Failed, Refused
from repoman_tasks.hosts.base import Future, Host, Result
from repoman_tasks.late_dataclass import dataclass
from repoman_tasks.planning.trust.approval_rules import ForbiddenPaths, copy_reason
from repoman_tasks.tools.forbidden_paths import real_paths
from repoman_tasks.tools.guest import AS_USER, DELAY, GuestHandle

__all__ = ["AgentFile", "copy_agent_files", "find_agent_files"]

_MOST_MIB = 16
_MOST_FILES = 2000
_SECONDS = 120.0

_COPY = (
    DELAY
    + r"""
staged=$1 name=$2 uid=$3 gid=$4 home=$5 script=$6; shift 6
find "$staged" -type d -exec chmod 700 {} \; && chown -Rh "$uid:$gid" "$staged" || exit 1
export HOME="$home"
set -- sh -c "$script" sh "$staged" "$@"
(
"""
    + AS_USER
    + """)
code=$?
rm -rf -- "$staged"
exit $code
"""
)
"""Runs the script as the user, then removes what was staged."""

_PLACE = r"""
staged=$1; shift
umask 077
code=0
while [ $# -gt 0 ]; do
    from="$staged/$1" to=$2; shift 2
    mkdir -p -- "${to%/*}" || { code=1; continue; }
    if [ -d "$from" ]; then
        mkdir -p -- "$to" && cp -R -- "$from/." "$to/" || code=1
    else
        cp -- "$from" "$to" || code=1
    fi
done
exit $code
"""
"""Copies what was staged, by name, each to the path that the next argument names."""


@dataclass(frozen=True)
class AgentFile:
    """A file or folder of the host, and its path in a container."""

    source: str
    """Real path."""
    path: str


def find_agent_files(
    host: Host, forbidden: ForbiddenPaths, files: Sequence[tuple[str, str]]
) -> tuple[list[AgentFile], list[str]]:
    """Return those `files`, pairs of an absolute source and a path, that can be copied.

    Also return the sources that do not exist. Raise Refused for one that is never copied, and
    Failed for one that is too large.
    """
    real = real_paths(host, [source for source, _ in files])
    for (source, _), path in zip(files, real, strict=True):
        if reason := copy_reason(path, forbidden):
            raise Refused(f"{source} can't be copied: {reason}", "remove it from agent_files")
    answers = [_submit_kinds(host, path) for path in real]
    found, missing = [], []
    for (source, target), path, answer in zip(files, real, answers, strict=True):
        if _check(source, answer.result()):
            found.append(AgentFile(path, target))
        else:
            missing.append(source)
    return found, missing


def _submit_kinds(host: Host, path: str) -> Future[Result]:
    """Ask for kind and size of everything in `path`; links are not followed."""
    return host.submit(["find", path, "-printf", "%y %s\\n"])


def _check(source: str, found: Result) -> bool:
    """Return False if the source does not exist. Raise Failed if it can't be copied."""
    if found.code and not found.out:
        return False
    entries = [line.split() for line in found.text.splitlines()]
    if any(kind not in ("f", "d", "l") for kind, _ in entries):
        raise Failed(f"{source} holds a pipe, a socket or a device", "leave it out of agent_files")
    size = sum(int(size) for kind, size in entries if kind == "f")
    if size > _MOST_MIB << 20 or len(entries) > _MOST_FILES:
        limit = f"{_MOST_MIB} MiB or {_MOST_FILES} files"
        raise Failed(f"{source} is larger than {limit}", "leave it out of agent_files")
    return True


def copy_agent_files(handle: GuestHandle, files: Sequence[AgentFile]) -> None:
    """Copy `files` into a running container, as its user. Raise Failed if that is not possible."""
    if not files:
        return
    # Every image has /tmp; Incus creates missing folders with the mode of the file.
    staged = f"/tmp/repoman-files-{uuid.uuid4().hex}"
    for number, file in enumerate(files):
        argv = handle.incus.push_argv(handle.name, file.source, f"{staged}/{number}")
        result = handle.incus.host.change(argv, timeout=_SECONDS)
        if result.code:
            raise Failed(f"{file.source} can't be copied into {handle.name}", result.complaint)
    person = handle.person
    who = (person.name, str(person.uid), str(person.gid), person.home)
    pairs = [
        word
        for number, file in enumerate(files)
        for word in (f"{number}/{file.source.rpartition('/')[2]}", file.path)
    ]
    result = handle.run(_COPY, staged, *who, _PLACE, *pairs, seconds=_SECONDS)
    if result.code:
        raise Failed(f"agent_files can't be copied into {handle.name}", result.complaint)

"""What a repo asks of its container, in its own .repoman.toml. Whoever wrote it may be hostile."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

from repoman_tasks.errors import Failed, UsageError
from repoman_tasks.hosts.base import Host
from repoman_tasks.model import Mount
from repoman_tasks.planning.names import absolute
from repoman_tasks.planning.trust.approval_rules import Request
from repoman_tasks.registry import parse_requested
from repoman_tasks.tools.approvals import state_path
from repoman_tasks.tools.forbidden_paths import real_paths, real_paths_argv
from repoman_tasks.tools.regular_file import read_argv, read_begin

__all__ = ["REPO_FILE", "foresee_asked", "read_request"]

REPO_FILE = ".repoman.toml"
_MOST_BYTES = 64 << 10


def foresee_asked(host: Host, repo: str, mounts: Sequence[Mount]) -> None:
    """Say that the file in `repo` will be read, and what was approved of it. It probably asks for
    these `mounts`, which were noted when it was read last."""
    reads = [read_argv(f"{repo}/{REPO_FILE}", _MOST_BYTES + 1)]
    if mounts:
        reads.append(real_paths_argv([absolute(mount.source, host.home) for mount in mounts]))
    host.foresee(reads, files=[state_path(host, "approvals", repo)])


def read_request(host: Host, repo: str) -> Request:
    """What the file in `repo` asks for; nothing where there is none.

    `UsageError` with file and line where it is wrong. It is read once: what a person approves
    is what was parsed.
    """
    path = f"{repo}/{REPO_FILE}"
    data = _read(host, repo)
    try:
        requested = parse_requested(data.decode(), path)
    except UnicodeDecodeError:
        raise UsageError(f"{path} is not UTF-8", "save it as UTF-8") from None
    sources = [absolute(mount.source, host.home) for mount in requested.mount]
    return Request(repo, _digest(data), requested, tuple(real_paths(host, sources)))


def _digest(data: bytes) -> str:
    return sha256(data).hexdigest()


def _read(host: Host, repo: str) -> bytes:
    """The bytes of the file, none where there is none. It is not followed where it is a symlink,
    and a FIFO or a device in its place can't hold repoman."""
    path = f"{repo}/{REPO_FILE}"
    result = read_begin(host, path, _MOST_BYTES + 1, timeout=10)
    if result.code:
        if result.complaint.endswith("No such file or directory"):
            return b""
        raise Failed(f"{path} can't be read", result.complaint.rpartition(": ")[2].lower())
    if len(result.out) > _MOST_BYTES:
        raise UsageError(f"{path} is longer than {_MOST_BYTES >> 10} KiB", "shorten it")
    return result.out

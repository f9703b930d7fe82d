"""What a repo asks of its container, in its own .repoman.toml. Whoever wrote it may be hostile."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

from repoman_tasks.errors import Failed, UsageError
from repoman_tasks.hosts.base import Future, Host, Result
from repoman_tasks.model import Mount, Requested
from repoman_tasks.planning.names import absolute
from repoman_tasks.planning.trust.approval_rules import Request
from repoman_tasks.registry import parse_requested
from repoman_tasks.tools.forbidden_paths import real_paths, submit_real_paths
from repoman_tasks.tools.regular_file import submit_begin

__all__ = ["REPO_FILE", "submit_request"]

REPO_FILE = ".repoman.toml"
_MOST_BYTES = 64 << 10


def submit_request(host: Host, repo: str, mounts: Sequence[Mount] = ()) -> Future[Request]:
    """Ask what the file in `repo` requests; nothing if there is none.

    It probably requests these `mounts`, which were noted when it was read last. The result raises
    `UsageError` with file and line if it is wrong. It is read once: what a person approves is what
    was parsed.
    """
    begin = submit_begin(host, f"{repo}/{REPO_FILE}", _MOST_BYTES + 1, timeout=10)
    noted = [absolute(mount.source, host.home) for mount in mounts]
    real = submit_real_paths(host, noted)

    def found(result: Result) -> Request:
        data = _content(repo, result)
        requested = _parsed(repo, data)
        sources = [absolute(mount.source, host.home) for mount in requested.mount]
        resolved = real.result() if sources == noted else real_paths(host, sources)
        return Request(repo, _digest(data), requested, tuple(resolved))

    return begin.then(found)


def _parsed(repo: str, data: bytes) -> Requested:
    path = f"{repo}/{REPO_FILE}"
    try:
        return parse_requested(data.decode(), path)
    except UnicodeDecodeError:
        raise UsageError(f"{path} is not UTF-8", "save it as UTF-8") from None


def _digest(data: bytes) -> str:
    return sha256(data).hexdigest()


def _content(repo: str, result: Result) -> bytes:
    """Return the bytes of the file, none if there is none."""
    path = f"{repo}/{REPO_FILE}"
    if result.code:
        if result.complaint.endswith("No such file or directory"):
            return b""
        raise Failed(f"{path} can't be read", result.complaint.rpartition(": ")[2].lower())
    if len(result.out) > _MOST_BYTES:
        raise UsageError(f"{path} is longer than {_MOST_BYTES >> 10} KiB", "shorten it")
    return result.out

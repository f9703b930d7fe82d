"""Reads .repoman.toml: what a repo requests of its container. Its author may be hostile."""

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
from repoman_tasks.tools.regular_file import submit_head

__all__ = ["REPO_FILE", "submit_request"]

REPO_FILE = ".repoman.toml"
_MOST_BYTES = 64 << 10


def submit_request(host: Host, repo: str, mounts: Sequence[Mount] = ()) -> Future[Request]:
    """Ask for the requests of the file in `repo`; they are empty if it does not exist.

    `mounts` are those of the last time, so that their paths are resolved in the same round trip.
    The result raises UsageError with path and line if the file is invalid. It is read only once, so
    that what a person approves is what was parsed.
    """
    content = submit_head(host, f"{repo}/{REPO_FILE}", _MOST_BYTES + 1, timeout=10)
    expected = [absolute(mount.source, host.home) for mount in mounts]
    real = submit_real_paths(host, expected)

    def parse(result: Result) -> Request:
        data = _check_content(repo, result)
        requested = _parse(repo, data)
        sources = [absolute(mount.source, host.home) for mount in requested.mount]
        resolved = real.result() if sources == expected else real_paths(host, sources)
        return Request(repo, _digest(data), requested, tuple(resolved))

    return content.then(parse)


def _parse(repo: str, data: bytes) -> Requested:
    path = f"{repo}/{REPO_FILE}"
    try:
        return parse_requested(data.decode(), path)
    except UnicodeDecodeError:
        raise UsageError(f"{path} is not UTF-8", "save it as UTF-8") from None


def _digest(data: bytes) -> str:
    return sha256(data).hexdigest()


def _check_content(repo: str, result: Result) -> bytes:
    """Return the content of the file, empty if it does not exist; raise if it is unusable."""
    path = f"{repo}/{REPO_FILE}"
    if result.code:
        if result.complaint.endswith("No such file or directory"):
            return b""
        raise Failed(f"{path} can't be read", result.complaint.rpartition(": ")[2].lower())
    if len(result.out) > _MOST_BYTES:
        raise UsageError(f"{path} is longer than {_MOST_BYTES >> 10} KiB", "shorten it")
    return result.out

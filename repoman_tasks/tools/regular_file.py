"""Reads files that may be hostile."""

from __future__ import annotations

from repoman_tasks.hosts.base import Future, Host, Result

__all__ = ["submit_head"]


def submit_head(host: Host, path: str, max_bytes: int, *, timeout: float = 20.0) -> Future[Result]:
    """Ask for the first `max_bytes` bytes of the file at `path`, as the output of dd.

    A symlink is an error, and a FIFO or a device in place of the file can't block repoman.
    """
    argv = [
        "dd",
        f"if={path}",
        f"bs={max_bytes}",
        "count=1",
        "iflag=nofollow,nonblock",
        "status=none",
    ]
    return host.submit(argv, timeout=timeout)

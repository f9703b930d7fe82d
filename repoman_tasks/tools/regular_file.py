"""Reads files that may be hostile."""

from __future__ import annotations

from repoman_tasks.hosts.base import Future, Host, Result

__all__ = ["head_argv", "submit_head"]


def submit_head(host: Host, path: str, max_bytes: int, *, timeout: float = 20.0) -> Future[Result]:
    """Ask for the first `max_bytes` bytes of the file at `path`; see `head_argv`."""
    return host.submit(head_argv(path, max_bytes), timeout=timeout)


def head_argv(path: str, max_bytes: int) -> list[str]:
    """Return the argv that prints the first `max_bytes` bytes of the file at `path`.

    A symlink is an error, and a FIFO or a device in place of the file can't block it.
    """
    flags = "iflag=nofollow,nonblock"
    return ["dd", f"if={path}", f"bs={max_bytes}", "count=1", flags, "status=none"]

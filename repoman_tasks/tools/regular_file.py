"""Reading a file that somebody hostile may have put there."""

from __future__ import annotations

from repoman_tasks.hosts.base import Future, Host, Result

__all__ = ["submit_begin"]


def submit_begin(host: Host, path: str, most: int, *, timeout: float = 20.0) -> Future[Result]:
    """Ask for the first `most` bytes of the file at `path`, as the output of a program.

    It is read once, and not followed if it is a symlink; a FIFO or a device in its place can't hold
    repoman.
    """
    argv = ["dd", f"if={path}", f"bs={most}", "count=1", "iflag=nofollow,nonblock", "status=none"]
    return host.submit(argv, timeout=timeout)

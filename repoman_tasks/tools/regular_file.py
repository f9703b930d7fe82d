"""Reading a file that somebody hostile may have put there."""

from __future__ import annotations

from repoman_tasks.hosts.base import Host, Result

__all__ = ["read_argv", "read_begin"]


def read_begin(host: Host, path: str, most: int, *, timeout: float = 20.0) -> Result:
    """The first `most` bytes of the file at `path`, read once, as the output of a program.

    It is not followed where it is a symlink, and a FIFO or a device in its place can't hold
    repoman.
    """
    return host.read(read_argv(path, most), timeout=timeout)


def read_argv(path: str, most: int) -> list[str]:
    """The words that it runs."""
    argv = ["dd", f"if={path}", f"bs={most}", "count=1", "iflag=nofollow,nonblock"]
    return [*argv, "status=none"]
